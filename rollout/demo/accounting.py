"""Whose fault a failed request was, and how long a service gave no good answer. Pure: numbers in, numbers out.

Times are seconds since the epoch.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rollout.model.fleet import RuntimeName


@dataclass(frozen=True, slots=True)
class Shot:
    """One request of a client. `status` 0: there was no answer, `error` says why."""

    service: str
    id: str
    began: float
    ended: float
    status: int
    error: str = ""

    @property
    def good(self) -> bool:
        """The service answered, and well."""
        return 200 <= self.status < 400


@dataclass(frozen=True, slots=True)
class Seen:
    """What the edge's own log says of a request. `runtime` None: it was sent to no copy."""

    service: str
    runtime: RuntimeName | None
    status: int
    retried: bool = False


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault of our own: the statuses by which the edge's log knows it, and until when it was there."""

    statuses: frozenset[int]
    until: float


@dataclass(frozen=True, slots=True)
class Downtime:
    """A closed gap that the plan declared: not longer than it said."""

    service: str
    begin: float
    end: float

    def holds(self, shot: Shot) -> bool:
        """The request met the gap."""
        return shot.service == self.service and shot.began < self.end and shot.ended > self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """The account. `failed` is the sum of its three parts; the last two maps name the services (not in the document)."""

    sent: int
    failed: int
    failed_planted: int
    failed_in_declared_downtime: int
    failed_outside_declared_downtime: int
    retried: int
    planted_by_service: Mapping[str, int]
    outside_by_service: Mapping[str, int]


def _is_planted(shot: Shot, seen: Mapping[str, Seen], planted: Mapping[str, Planted]) -> bool:
    """A planted fault itself produced this answer on v2: the edge's log says so under the same request id."""
    fault, line = planted.get(shot.service), seen.get(shot.id)
    if fault is None or line is None or shot.began >= fault.until:
        return False
    known = line.service == shot.service and line.runtime is RuntimeName.V2
    return known and line.status in fault.statuses and shot.status in (0, line.status)


def account(
    shots: Iterable[Shot],
    seen: Mapping[str, Seen],
    *,
    planted: Mapping[str, Planted],
    downtimes: Sequence[Downtime],
) -> Requests:
    """Sort every failed request into exactly one of: planted, in declared downtime, outside of it."""
    sent, by_plan, in_gap, outside = 0, Counter[str](), 0, Counter[str]()
    for shot in shots:
        sent += 1
        if shot.good:
            continue
        if _is_planted(shot, seen, planted):
            by_plan[shot.service] += 1
        elif any(gap.holds(shot) for gap in downtimes):
            in_gap += 1
        else:
            outside[shot.service] += 1
    return Requests(
        sent=sent,
        failed=by_plan.total() + in_gap + outside.total(),
        failed_planted=by_plan.total(),
        failed_in_declared_downtime=in_gap,
        failed_outside_declared_downtime=outside.total(),
        retried=sum(line.retried for line in seen.values()),
        planted_by_service=dict(by_plan),
        outside_by_service=dict(outside),
    )


def longest_gap_ms(shots: Iterable[Shot], downtimes: Sequence[Downtime]) -> float:
    """The longest time between two good answers of one service, without what of it lies in the service's downtime."""
    answers = defaultdict[str, list[float]](list)
    for shot in shots:
        if shot.good:
            answers[shot.service].append(shot.ended)
    longest = 0.0
    for service, times in answers.items():
        times.sort()
        gaps = [gap for gap in downtimes if gap.service == service]
        for before, after in pairwise(times):
            longest = max(longest, after - before - _covered(before, after, gaps))
    return round(longest * 1000, 1)


def _covered(begin: float, end: float, gaps: Sequence[Downtime]) -> float:
    """How much of the time between `begin` and `end` the gaps cover; gaps of one service do not overlap."""
    return sum(max(0.0, min(end, gap.end) - max(begin, gap.begin)) for gap in gaps)
