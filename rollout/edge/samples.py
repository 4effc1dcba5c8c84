"""The edge as an instrument: counts per service and runtime, added up from the access log.

Any process may read, also one that did not start the edge: a driver, a page, a report. Each sum remembers its place in the log,
so that a look costs only what was written since the last one.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf

from rollout.edge.access_log import AccessLine, AccessLog, Place, parse
from rollout.edge.host_edge import host_name
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample
from rollout.perf.blocks import Timed
from rollout.perf.histogram import Tally

FIRST = 50_000
"""So many requests are remembered one by one, for comparisons (850 kB at most)."""
SUMS = 1_000
SWITCHED = 101


@dataclass(slots=True)
class _Count:
    requests: int = 0
    errors: int = 0
    retried: int = 0
    shed: int = 0
    latencies: Tally = field(default_factory=Tally)
    left: Tally = field(default_factory=Tally)
    first: float = inf
    first_bad: float = inf
    first_left: float = inf

    def add(self, line: AccessLine) -> None:
        self.requests += 1
        self.errors += line.failed
        retried = line.attempts > 1 and not line.left and not line.followed
        self.retried += retried and not line.failed
        self.first = min(self.first, line.began)
        if line.left:
            self.left.add(line.lasted_ms)
            self.first_left = min(self.first_left, line.began)
        if line.failed or retried:
            self.first_bad = min(self.first_bad, line.began)

    def add_shed(self, line: AccessLine) -> None:
        self.shed += 1
        self.first = min(self.first, line.began)
        self.first_bad = min(self.first_bad, line.began)

    def sample(self, runtime: RuntimeName) -> Sample:
        return Sample(
            runtime=runtime,
            requests=self.requests,
            errors=self.errors,
            retried=self.retried,
            shed=self.shed,
            latencies=self.latencies.histogram(),
            left=self.left.histogram(),
            first_left=_moment(self.first_left),
            first=_moment(self.first),
            first_bad=_moment(self.first_bad),
        )


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds < inf else None


def _latency_ms(line: AccessLine) -> float | None:
    """How long an answer took; None where it failed or switched to another protocol: there is no such time."""
    timed = line.duration_us is not None and line.status != SWITCHED and not line.failed and not line.left
    return line.duration_us / 1000 if timed and line.duration_us is not None else None


class _Sum:
    """All requests to one service that began since a time."""

    def __init__(self, host: str, since: float, place: Place) -> None:
        self.host = host
        self.since = since
        self.place = place
        self.counts = {runtime: _Count() for runtime in RuntimeName}
        self.sides = array("b")
        self.times = array("d")
        self.ends = array("d")

    def read_on(self, log: AccessLog) -> None:
        needle = f"\t{self.host}\t".encode()
        for chunk, place in log.after(self.place):
            self._add(chunk, needle)
            self.place = place

    def _add(self, chunk: bytes, needle: bytes) -> None:
        found = chunk.find(needle)
        while found >= 0:
            end = chunk.index(b"\n", found)
            line = parse(chunk[chunk.rfind(b"\n", 0, found) + 1 : end])
            if line is not None and line.host_name == self.host and line.side and line.began >= self.since:
                self._count(line, line.side)
            found = chunk.find(needle, end)

    def _count(self, line: AccessLine, side: RuntimeName) -> None:
        self.counts[side].add(line)
        if line.shed:
            self.counts[RuntimeName.V2].add_shed(line)
        milliseconds = _latency_ms(line)
        if milliseconds is None:
            return
        self.counts[side].latencies.add(milliseconds)
        if len(self.times) < FIRST:
            self.sides.append(side is RuntimeName.V2)
            self.times.append(milliseconds)
            self.ends.append(line.began + milliseconds / 1000)


class LogSamples:
    """Fulfils gates.ports.Samples and gates.ports.Stream.

    Many threads may ask at once; the 1,000 sums that were asked for last are remembered.
    """

    def __init__(self, log: AccessLog) -> None:
        self._log = log
        self._sums: OrderedDict[tuple[str, datetime], _Sum] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """See Samples. A request shows up within 100 ms of its end."""
        with self._lock:
            total = self._sum(service, since)
            total.read_on(self._log)
            return {runtime: count.sample(runtime) for runtime, count in total.counts.items()}

    def first(self, service: str, since: datetime) -> Sequence[Timed]:
        """See Stream. At most FIRST requests."""
        with self._lock:
            total = self._sum(service, since)
            total.read_on(self._log)
            both = (RuntimeName.LEGACY, RuntimeName.V2)
            found = zip(total.sides, total.times, total.ends, strict=True)
            return [Timed(both[side], milliseconds, ended) for side, milliseconds, ended in found]

    def _sum(self, service: str, since: datetime) -> _Sum:
        key = (service, since)
        if key not in self._sums:
            began = since.timestamp()
            self._sums[key] = _Sum(host_name(service), began, self._log.place_of(began))
            if len(self._sums) > SUMS:
                self._sums.popitem(last=False)
        self._sums.move_to_end(key)
        return self._sums[key]
