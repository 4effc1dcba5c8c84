"""Compressed layers, unpacked as a stream: never more than a few chunks in memory, whatever the data claims."""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import zstandard

from rollout.runtimes.images.reason import Reason, Refused

PLAIN, GZIP, ZSTD = "plain", "gzip", "zstd"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD}
_SKIPPABLE = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
_OUT = 256 * 1024
_WINDOW = 64 * 1024**2
"""The largest window of zstd that is accepted; the engines' library has the same bound."""
_ZSTD_IN = 1024
"""So little is fed to zstd at once: it cannot be told to stop, and 4 bytes may become 128 KiB."""


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def guessed(first: bytes) -> str:
    """How what begins with these bytes is compressed."""
    found = [kind for magic, kind in _MAGIC.items() if first.startswith(magic)]
    return ZSTD if first.startswith(_SKIPPABLE) else found[0] if found else PLAIN


def unpacked(chunks: Iterator[bytes], kind: str) -> Iterator[bytes]:
    """What is in it. Refused where it is damaged, ends too early, has something behind it, or is compressed in another way."""
    first = b""
    while len(first) < 4 and (chunk := next(chunks, b"")):
        first += chunk
    if first and guessed(first) != kind:
        raise Refused(Reason.NOT_COMPRESSED_SO, f"is said to be {kind}, and is {guessed(first)}")
    if kind == PLAIN:
        return _joined(first, chunks)
    return _gzip(_joined(first, chunks)) if kind == GZIP else _zstd(_joined(first, chunks))


def _joined(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Any number of members, one behind the other."""
    member = zlib.decompressobj(wbits=31)
    begun = False
    for chunk in chunks:
        waiting = chunk
        while waiting:
            if member.eof:
                member, begun = zlib.decompressobj(wbits=31), False
            begun = True
            yield _told(lambda m=member, data=waiting: m.decompress(data, _OUT), GZIP)  # type: ignore[misc]
            waiting = member.unused_data if member.eof else member.unconsumed_tail
    while begun and not member.eof and (more := _told(lambda: member.decompress(b"", _OUT), GZIP)):
        yield more
    _whole(member, GZIP)


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Any number of frames, one behind the other; those to be skipped give nothing."""
    library = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    frame = library.decompressobj()
    for chunk in chunks:
        for at in range(0, len(chunk), _ZSTD_IN):
            waiting = chunk[at : at + _ZSTD_IN]
            while waiting:
                if frame.eof:
                    frame = library.decompressobj()
                yield _told(lambda f=frame, data=waiting: f.decompress(data), ZSTD)  # type: ignore[misc]
                waiting = frame.unused_data if frame.eof else b""
    _whole(frame, ZSTD)


def _told(unpack: Callable[[], bytes], kind: str) -> bytes:
    try:
        return unpack()
    except (zlib.error, zstandard.ZstdError, MemoryError) as error:
        raise Refused(Reason.NOT_COMPRESSED_SO, f"is damaged {kind}: {error}") from error


def _whole(last: _Unpacker, kind: str) -> None:
    if not last.eof:
        raise Refused(Reason.TRUNCATED, f"ends in the middle of its {kind} data")
