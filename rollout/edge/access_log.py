"""Envoy's access log as a stream: its lines, its files (`tend` of envoy.py rotates them), and a place in them to read on from."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName

FIELDS = 11
SIDES: dict[str, RuntimeName | None] = {"-": None, "legacy": RuntimeName.LEGACY, "v2": RuntimeName.V2}
CHUNK = 1 << 20
OUT_OF_ORDER_S = 2.0
"""Lines stand in the order in which requests ended, but for what two workers write at once."""
COPY_FAILED = frozenset({"UF", "UH", "UO", "UT", "UC", "UR", "UPE", "LR", "URX", "UMSDR", "SI"})
"""Envoy's response flags that tell of a copy that broke, also after the status was sent."""
LEFT = "DC"
"""The client closed its connection."""


class AccessLine(NamedTuple):
    """One request as the edge saw it. `began`: seconds since 1970. `host_name` and `side` are None where no service was meant.

    `side`: where it went first; `upstream`: the copy that was asked last. `status` 0: the client left before an answer.
    `duration_us`: until the end of the answer, None where that was never sent; `lasted_ms`: until the client or the edge was
    done with it, however it ended. `shed`: by weight it was v2's. `followed`: its copy had left the port for another one, where
    it was answered at the second try. `flags`: Envoy's, parted by commas.
    """

    began: float
    host_name: str | None
    side: RuntimeName | None
    shed: bool
    status: int
    duration_us: int | None
    lasted_ms: int
    attempts: int
    flags: str
    upstream: str
    request_id: str
    followed: bool = False

    @property
    def failed(self) -> bool:
        """Status 500 or above, no answer at all, or an answer that broke off. A client that left is not a failure by itself."""
        if self.status >= 500 or (self.status == 0 and not self.left):
            return True
        return bool(self.flags) and not COPY_FAILED.isdisjoint(self.flags.split(","))

    @property
    def left(self) -> bool:
        """The client left before the copy had answered anything; the copy had not broken."""
        flags = self.flags.split(",")
        return self.status == 0 and LEFT in flags and COPY_FAILED.isdisjoint(flags)


def parse(line: bytes) -> AccessLine | None:
    """The line's request; None for a line that is not whole."""
    fields = line.decode(errors="replace").split("\t", FIELDS - 1)
    if len(fields) != FIELDS:
        return None
    began, host, side, shed, status, duration, lasted, attempts, flags, upstream, request_id = fields
    try:
        return AccessLine(
            float(began),
            None if host == "-" else host,
            SIDES[side],
            shed == "shed",
            int(status),
            None if duration == "-" else int(duration),
            0 if lasted == "-" else int(lasted),
            int(attempts),
            "" if flags == "-" else flags,
            upstream,
            request_id,
            shed == "followed",
        )
    except (ValueError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: the file that had this inode, and the bytes of it that were read."""

    inode: int
    offset: int


class AccessLog:
    """The log at `path` and its older files `path.1` (newest) to `path.N`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def place_of(self, since: float) -> Place:
        """A place with every request that began after `since` behind it. BrokenError where there is no log."""
        limit = since - OUT_OF_ORDER_S
        with ExitStack() as stack:
            files = self._open(stack)
            chosen = files[0]
            for file in files[1:]:
                file.seek(0)
                ended = _ended(file.readline())
                if ended is not None and ended < limit:
                    chosen = file
            return Place(_inode(chosen), _offset_of(chosen, limit))

    def after(self, place: Place) -> Iterator[tuple[bytes, Place]]:
        """Whole lines written since, in chunks, each with the place behind it.

        Where the file of the place is gone by rotation, it goes on with the oldest that is there.
        """
        with ExitStack() as stack:
            files = self._open(stack)
            inodes = [_inode(file) for file in files]
            start = inodes.index(place.inode) if place.inode in inodes else 0
            for file, inode in list(zip(files, inodes, strict=True))[start:]:
                offset = place.offset if inode == place.inode else 0
                for chunk in _whole_lines(file, offset):
                    offset += len(chunk)
                    yield chunk, Place(inode, offset)

    def lines(self, since: float = 0.0) -> Iterator[AccessLine]:
        """All requests that began after `since`, in the order in which they ended."""
        for chunk, _ in self.after(self.place_of(since)):
            for raw in chunk.splitlines():
                line = parse(raw)
                if line is not None and line.began >= since:
                    yield line

    def _open(self, stack: ExitStack) -> Sequence[BinaryIO]:
        """All files, oldest first. They are opened newest first: one that is renamed meanwhile is met twice, never missed."""
        found: dict[int, BinaryIO] = {}
        number = 0
        while True:
            path = self.path.with_name(f"{self.path.name}.{number}") if number else self.path
            try:
                file = stack.enter_context(path.open("rb"))
            except FileNotFoundError:
                if number:  # only `path` itself may be missing, for a moment, while it is rotated
                    break
            else:
                found.setdefault(_inode(file), file)
            number += 1
        if not found:
            raise BrokenError(
                f"the edge's log {self.path} is not there",
                state="what the edge has seen is unknown",
                then="rollout up",
            )
        return list(reversed(found.values()))


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _whole_lines(file: BinaryIO, offset: int) -> Iterator[bytes]:
    file.seek(offset)
    rest = b""
    while block := file.read(CHUNK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline


def _ended(line: bytes) -> float | None:
    """When the request of this line ended: lines are in this order."""
    found = parse(line)
    return None if found is None else found.began + max((found.duration_us or 0) / 1e6, found.lasted_ms / 1e3)


def _offset_of(file: BinaryIO, limit: float) -> int:
    """Where a line begins before which all ended before `limit`: found by halving."""
    low, high = 0, os.fstat(file.fileno()).st_size
    while high - low > CHUNK // 16:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begins = file.tell()
        ended = _ended(file.readline())
        if ended is None or ended >= limit:
            high = middle
        else:
            low = begins
    return low
