"""Measured performance of one service on one runtime, over a stated time, with a stated instrument."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.model.fleet import RuntimeName


class Phase(StrEnum):
    """When it was measured: legacy alone, both at once, v2 with all traffic."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How long requests took, in milliseconds: counts by bucket, so that two can be added up. `perf.histogram` reads it.

    `buckets`: (number of the bucket, requests), by number. `total` is the sum of all, `lowest` and `highest` are exact.
    """

    buckets: tuple[tuple[int, int], ...] = ()
    total: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0

    @property
    def n(self) -> int:
        """How many requests."""
        return sum(count for _, count in self.buckets)


NO_REQUESTS = Histogram()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One side of a service from `began` to `ended`. Never only percentiles: the whole histogram.

    `weight`: v2's share of traffic in percent meanwhile. `requests` and `errors` as in a Sample. `cpu_cores`: mean use, 1.0 is
    one core; `memory_bytes`: resident memory, the mean of what was seen; both over all copies of that side, None where nobody
    could measure them.
    """

    move: str
    service: str
    runtime: RuntimeName
    phase: Phase
    instrument: str
    began: datetime
    ended: datetime
    weight: int = 0
    requests: int = 0
    errors: int = 0
    latencies: Histogram = NO_REQUESTS
    cpu_cores: float | None = None
    memory_bytes: int | None = None

    @property
    def seconds(self) -> float:
        """How long it was measured."""
        return (self.ended - self.began).total_seconds()

    @property
    def load(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    @property
    def error_rate(self) -> float:
        """Share of failed requests, 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0
