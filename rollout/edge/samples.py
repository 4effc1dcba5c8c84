"""The edge as an instrument: counts per service and runtime, added up from the access log.

Any process may read, also one that did not start the edge: a driver, a page, a report. Each sum remembers its place in the log,
so that a look costs only what was written since the last one.
"""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime

from rollout.edge.access_log import AccessLine, AccessLog, Place, parse
from rollout.edge.host_edge import host_name
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample

LATENCIES = 20_000
SUMS = 1_000
SWITCHED = 101


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    errors: int = 0
    retried: int = 0
    shed: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))

    def add(self, line: AccessLine) -> None:
        self.requests += 1
        self.errors += line.failed
        self.retried += line.attempts > 1 and not line.failed
        if line.duration_us is not None and line.status != SWITCHED:
            self.latencies_ms.append(line.duration_us / 1000)

    def sample(self, runtime: RuntimeName) -> Sample:
        return Sample(
            runtime=runtime,
            requests=self.requests,
            errors=self.errors,
            retried=self.retried,
            shed=self.shed,
            latencies_ms=tuple(self.latencies_ms),
        )


class _Sum:
    """All requests to one service that began since a time."""

    def __init__(self, host: str, since: float, place: Place) -> None:
        self.host = host
        self.since = since
        self.place = place
        self.tallies = {runtime: _Tally() for runtime in RuntimeName}

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
                self.tallies[line.side].add(line)
                self.tallies[RuntimeName.V2].shed += line.shed
            found = chunk.find(needle, end)


class LogSamples:
    """Fulfils gates.ports.Samples. Many threads may ask at once; the 1,000 sums that were asked for last are remembered."""

    def __init__(self, log: AccessLog) -> None:
        self._log = log
        self._sums: OrderedDict[tuple[str, datetime], _Sum] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """See Samples. A request shows up within 100 ms of its end."""
        with self._lock:
            total = self._sum(service, since)
            total.read_on(self._log)
            return {runtime: tally.sample(runtime) for runtime, tally in total.tallies.items()}

    def _sum(self, service: str, since: datetime) -> _Sum:
        key = (service, since)
        if key not in self._sums:
            began = since.timestamp()
            self._sums[key] = _Sum(host_name(service), began, self._log.place_of(began))
            if len(self._sums) > SUMS:
                self._sums.popitem(last=False)
        self._sums.move_to_end(key)
        return self._sums[key]
