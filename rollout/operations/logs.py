"""`service logs`: what the copies of a service wrote, and what they go on writing."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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


def follow(host: HostPart, service: str, runtime: RuntimeName | None, clock: Clock) -> Iterator[Line]:
    """Every line that is written from now on, also by copies that are started later. Never ends by itself."""
    tails: dict[str, _Tail] = {}
    first = True
    while True:
        for one in _copies(host, service, runtime):
            if one.id not in tails and one.facts.log:
                tails[one.id] = _Tail(_label(one), one.facts.log, from_end=first)
        first = False
        for tail in tails.values():
            yield from tail.new_lines()
        clock.sleep(POLL_S)


def _copies(host: HostPart, service: str, runtime: RuntimeName | None) -> list[Attached]:
    found = [one for one in host.instances(service) if runtime in {None, one.runtime}]
    return sorted(found, key=lambda one: (one.facts.started or 0.0, one.id))


def _label(one: Attached) -> str:
    return f"{one.runtime}.{one.replica}"


@dataclass(slots=True)
class _Tail:
    """Reads on where it stopped; a log that was rotated meanwhile is read to its end and then from its new beginning."""

    label: str
    path: str
    from_end: bool
    at: int = 0
    inode: int = 0
    rest: bytes = field(default=b"")

    def new_lines(self) -> list[Line]:
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
        return [Line(self.label, text.decode(errors="replace")) for text in whole]

    def _read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        self.at += len(data)
        return data
