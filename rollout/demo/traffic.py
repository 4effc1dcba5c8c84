"""The load on the demo, by the built-in client and by a service that calls its neighbour, added up against the edge's log."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from rollout.demo.accounting import Downtime, Planted, Requests, Seen, Shot, account, longest_gap_ms
from rollout.demo.gaps import Gap
from rollout.demo.load import Call, Load
from rollout.demo.services import Part
from rollout.edge.access_log import AccessLine
from rollout.model.fleet import RuntimeName

LOG_LIMIT_S = 3.0
"""The edge writes its log a little later than it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the traffic came to. `unlogged`: answered requests that the edge's log does not know.

    `copies_seen`: how many addresses on v2 answered, by service.
    """

    requests: Requests
    longest_gap_ms: float
    unlogged: int
    neighbour_calls: int
    copies_seen: Mapping[str, int] = field(default_factory=dict)


class Traffic:
    """Continuous load on every service that takes it. `called`: whom the neighbour calls that tells of it in its answers."""

    def __init__(self, parts: Sequence[Part], *, called: str, seed: int = 0) -> None:
        self._seed = seed
        self._parts = parts
        self._called = called
        self._load: Load | None = None
        self._repaired: dict[str, float] = {}

    def start(self, edge: str) -> None:
        """Requests are sent until `end`."""
        called = [part for part in self._parts if part.takes_traffic]
        names = {part.service.id: part.service.host_name for part in called}
        self._load = Load(edge, names, {part.service.id: part.clients for part in called}, self._seed)
        self._load.start()

    def busy(self, services: Collection[str]) -> None:
        """These services are called more often than the others from now on."""
        if self._load is not None:
            self._load.busy(services)

    def repaired(self, service: str) -> None:
        """From now on a failure of this service is not planted any more."""
        self._repaired[service] = time.time()

    def end(self, lines: Callable[[], Sequence[AccessLine]], gaps: Sequence[Gap]) -> Counted:
        """Nothing is sent any more, and every request has its owner. `lines` reads the edge's log."""
        if self._load is None:
            return Counted(requests=account((), {}, planted={}, downtimes=()), longest_gap_ms=0.0, unlogged=0, neighbour_calls=0)
        self._load.stop()
        neighbour = calls_in(self._load.calls(), self._called)
        shots = [*self._load.shots(), *neighbour]
        seen, copies = _read_until_whole(lines, {shot.id for shot in shots if shot.status})
        downtimes = [downtime(gap) for gap in gaps]
        planted = {
            part.service.id: Planted(part.fault.statuses, self._repaired.get(part.service.id, float("inf")))
            for part in self._parts
            if part.fault
        }
        return Counted(
            requests=account(shots, seen, planted=planted, downtimes=downtimes),
            longest_gap_ms=longest_gap_ms(shots, downtimes),
            unlogged=sum(1 for shot in shots if shot.status and shot.id not in seen),
            neighbour_calls=len(neighbour),
            copies_seen=copies,
        )


def downtime(gap: Gap) -> Downtime:
    """The part of a gap that the plan declared: it begins with the gap and lasts no longer than was said."""
    declared = gap.begin + timedelta(seconds=gap.declared_s)
    end = declared if gap.end is None else min(gap.end, declared)
    return Downtime(gap.service, gap.begin.timestamp(), end.timestamp())


def calls_in(told: Sequence[Call], called: str) -> list[Shot]:
    """The calls of the neighbour, in its own words."""
    return [Shot(called, row["id"], row["began"], row["ended"], row["status"], row["error"]) for row in told]


def _seen(line: AccessLine) -> Seen:
    name, _, rest = (line.host_name or "").partition(".")
    return Seen(f"{rest.removesuffix('.internal')}/{name}", line.side, line.status, line.attempts > 1)


def _read_until_whole(lines: Callable[[], Sequence[AccessLine]], wanted: set[str]) -> tuple[dict[str, Seen], dict[str, int]]:
    """The edge's log by request id, read again until every answered request is in it, or the limit is over.

    And on how many addresses each service answered on v2.
    """
    end = time.monotonic() + LOG_LIMIT_S
    while True:
        whole = lines()
        seen = {line.request_id: _seen(line) for line in whole}
        if wanted <= seen.keys() or time.monotonic() > end:
            return seen, _copies(whole)
        time.sleep(0.1)


def _copies(lines: Sequence[AccessLine]) -> dict[str, int]:
    """On how many addresses each service answered well on v2."""
    addresses = {(_seen(line).service, line.upstream) for line in lines if line.side is RuntimeName.V2 and line.status == 200}
    return Counter(service for service, _ in addresses)
