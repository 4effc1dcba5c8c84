"""Bytes that are read forward only, whether they come as a stream or stand in a file."""

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from rollout.runtimes.images.reason import Reason, Refused

_STEP = 256 * 1024


class Tape(Protocol):
    """Read forward. `position`: bytes read and passed over so far."""

    position: int

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        ...

    def skip(self, count: int) -> int:
        """Passes over so many; how many there were."""
        ...


class StreamTape:
    """A tape of chunks. Refused once it is longer than `most`."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self._chunk = memoryview(b"")
        self._come = 0
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        if len(self._chunk) >= count:
            return bytes(self._take(count))
        parts: list[bytes] = []
        while count and (self._chunk or self._next()):
            part = self._take(count)
            parts.append(bytes(part))
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> int:
        """Passes over so many; how many there were."""
        left = count
        while left and (self._chunk or self._next()):
            left -= len(self._take(left))
        return count - left

    def _take(self, most: int) -> memoryview:
        part, self._chunk = self._chunk[:most], self._chunk[most:]
        self.position += len(part)
        return part

    def _next(self) -> bool:
        for chunk in self._chunks:
            self._come += len(chunk)
            if self._come > self._most:
                raise Refused(Reason.TOO_LARGE, f"unpacks to more than {self._most:,} bytes")
            if chunk:
                self._chunk = memoryview(chunk)
                return True
        return False


class FileTape:
    """A tape over a file that can be gone through by leaps."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.position = 0

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        self._file.seek(self.position)
        data = self._file.read(count)
        self.position += len(data)
        return data

    def skip(self, count: int) -> int:
        """Passes over so many; how many there were."""
        there = min(count, self._size - self.position)
        self.position += there
        return there


def only_zeros(tape: Tape) -> bool:
    """Nothing but zero bytes is left, and all of it has been read."""
    clean = True
    while data := tape.read(_STEP):
        clean = clean and data.count(0) == len(data)
    return clean
