"""`service logs`: what the copies of a service wrote, and what they go on writing."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rollout.executor.ports import Clock
from rollout.host.ports import Attached, HostPart
from rollout.model.fleet import RuntimeName

POLL_S = 0.2
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Line:
    """One line and the copy that wrote it: `v2.0` is replica 0 on v2."""

    copy: str
    text: str


def last(host: HostPart, service: str, runtime: RuntimeName | None, count: int) -> Sequence[Line]:
    """The last `count` lines of every copy on that runtime (None: on both), running or stopped and not yet forgotten."""
    found = _copies(host, service, runtime)
    return [Line(_label(one), text) for one in found for text in host.tail(one.id, count)]


class Written(Protocol):
    """What one copy goes on writing."""

    def new_lines(self) -> Sequence[str]:
        """Whole lines written since the last call."""


Stream = Callable[[Attached, bool], Written | None]
"""What a copy without a file goes on writing, from now on or (False) from its beginning; None while it has nothing to read."""


def follow(host: HostPart, service: str, runtime: RuntimeName | None, clock: Clock, stream: Stream) -> Iterator[Line]:
    """Every line that is written from now on, also by copies that are started later. Never ends by itself."""
    followed: dict[str, Written] = {}
    labels: dict[str, str] = {}
    first = True
    while True:
        for one in _copies(host, service, runtime):
            labels[one.id] = _label(one)
            if one.id not in followed and (found := _written(one, stream, from_end=first)):
                followed[one.id] = found
        first = False
        for name, written in followed.items():
            yield from (Line(labels[name], text) for text in written.new_lines())
        clock.sleep(POLL_S)


def _written(one: Attached, stream: Stream, *, from_end: bool) -> Written | None:
    return _Tail(one.facts.log, from_end=from_end) if one.facts.log else stream(one, from_end)


def _copies(host: HostPart, service: str, runtime: RuntimeName | None) -> list[Attached]:
    found = [one for one in host.instances(service) if runtime in {None, one.runtime}]
    return sorted(found, key=lambda one: (one.facts.started or 0.0, one.id))


def _label(one: Attached) -> str:
    return f"{one.runtime}.{one.replica}"


@dataclass(slots=True)
class _Tail:
    """Reads on where it stopped; a log that was rotated meanwhile is read to its end and then from its new beginning."""

    path: str
    from_end: bool
    at: int = 0
    inode: int = 0
    rest: bytes = field(default=b"")

    def new_lines(self) -> list[str]:
        """Whole lines written since the last call."""
        data = b""
        try:
            now = os.stat(self.path)
            if not self.inode:
                self.inode, self.at = now.st_ino, now.st_size if self.from_end else 0
            if now.st_ino != self.inode:
                data = self._read(f"{self.path}.1")
                self.inode, self.at = now.st_ino, 0
            data += self._read(self.path)
        except FileNotFoundError:
            pass
        *whole, self.rest = (self.rest + data).split(b"\n")
        return [text.decode(errors="replace") for text in whole]

    def _read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        self.at += len(data)
        return data
