"""One header of a tar: 512 bytes, read as Go's reader does, which the engines use; what readers differ on is refused."""

import re
from dataclasses import dataclass

from rollout.runtimes.images.reason import Reason, Refused, shown

BLOCK = 512
FILE, HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
LONG_NAME, LONG_LINK, EXTENDED, GLOBAL, SPARSE = b"L", b"K", b"x", b"g", b"S"
_OLD_FILE = b"\0"
_USTAR, _GNU, _STAR = b"ustar\x0000", b"ustar  \x00", b"tar\x00"
_NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
"""Mode, owner, group, time and the two of devices; below zero is legal in binary."""
_OCTAL = re.compile(rb" *([0-7]*)[ \0]*")


@dataclass(frozen=True, slots=True)
class Header:
    """What one header says."""

    kind: bytes
    name: bytes
    link: bytes
    size: int


def parse(block: bytes) -> Header:
    """The header in a block. Refused where its checksum or a number is wrong."""
    if _number(block[148:156]) not in _sums(block):
        raise Refused(Reason.NOT_TAR, "has a tar header with a wrong checksum")
    if not all(block[start] & 0x80 or _OCTAL.fullmatch(block[start:end]) for start, end in _NUMBERS):
        raise Refused(Reason.NOT_TAR, "has a tar header with something else than a number where one should be")
    prefix = _prefix(block)
    name = prefix + b"/" * bool(prefix) + _text(block[:100])
    kind = block[156:157]
    if kind == _OLD_FILE:
        kind = DIRECTORY if name.endswith(b"/") else FILE
    size = _number(block[124:136])
    if size is None:
        raise Refused(Reason.SIZE_LIES, f"has a size that is no number, of {shown(name)}")
    return Header(kind, name, _text(block[157:257]), size)


def _prefix(block: bytes) -> bytes:
    """What stands before the name. Refused in a form in which some readers take something for it and others do not."""
    magic, prefix = block[257:265], _text(block[345:500])
    if magic == _USTAR and block[508:512] != _STAR:
        return prefix
    if prefix or magic not in {_GNU, bytes(8)}:
        raise Refused(Reason.NOT_TAR, "has a tar header of a form that tar readers take differently")
    return b""


def _sums(block: bytes) -> tuple[int, int]:
    """The checksum, of bytes without and with a sign: both have been written."""
    rest = block[:148] + b" " * 8 + block[156:]
    total = sum(rest)
    return total, total if rest.isascii() else total - 256 * sum(byte >= 128 for byte in rest)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int | None:
    """An octal number, or a binary one that is not negative; None for anything else."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big") if field[0] == 0x80 else None
    found = _OCTAL.fullmatch(field)
    return int(found[1] or b"0", 8) if found else None
