"""An edge in memory that answers as the real one does: weights, replicas, breaker, samples. With faults on demand."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from rollout.edge.host_edge import host_name
from rollout.edge.routes import line_of
from rollout.host.ports import Route
from rollout.host.rooms import Room
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample

FAILURES = 3
REST = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client gets. `runtime` and `address` are None where no copy was asked."""

    status: int
    runtime: RuntimeName | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    host: str
    at: datetime
    runtime: RuntimeName
    failed: bool
    shed: bool


@dataclass(slots=True)
class _Failures:
    count: int
    last: datetime


class AnsweringEdge:
    """Fulfils host.ports.EdgeWriter and gates.ports.Samples. Requests come by `send`.

    `status_of` is what the copy at an address answers (503 for one that does not exist). `write_fault` and `read_fault`, where
    set, are raised by `write` and by `read`. The same `chance` and the same calls give the same answers.
    """

    def __init__(self, now: Callable[[], datetime], chance: Random, status_of: Callable[[str], int]) -> None:
        self.write_fault: Exception | None = None
        self.read_fault: Exception | None = None
        self._now = now
        self._chance = chance
        self._status_of = status_of
        self._routes: dict[str, Route] = {}
        self._rooms: frozenset[str] = frozenset()
        self._failures: dict[str, _Failures] = {}
        self._busy: Counter[str] = Counter()
        self._asked: list[_Asked] = []

    def write(self, route: Route) -> None:
        """See EdgeWriter."""
        if self.write_fault:
            raise self.write_fault
        line_of(route)
        known = self._routes.get(route.host_name)
        self._routes[route.host_name] = route
        before = {*known.legacy, *known.v2} if known else set()
        for address in before ^ {*route.legacy, *route.v2}:
            self._failures.pop(address, None)

    def remove(self, host_name: str) -> None:
        """See EdgeWriter."""
        gone = self._routes.pop(host_name, None)
        for address in (*gone.legacy, *gone.v2) if gone else ():
            self._failures.pop(address, None)

    def rooms(self, rooms: Sequence[Room]) -> None:
        """See EdgeWriter. `ask` finds services in them."""
        self._rooms = frozenset(room.environment for room in rooms)

    def in_flight(self, addresses: Sequence[str]) -> int:
        """See EdgeWriter."""
        return sum(self._busy[address] for address in set(addresses))

    def address(self) -> str:
        """See EdgeWriter. Nobody listens there."""
        return "127.0.0.1:1"

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """See Samples. There are no latencies."""
        if self.read_fault:
            raise self.read_fault
        asked = [one for one in self._asked if one.host == host_name(service) and one.at >= since]
        shed = sum(one.shed for one in asked)
        return {side: _sample(side, asked, shed if side is RuntimeName.V2 else 0) for side in RuntimeName}

    def send(self, host: str) -> Answer:
        """One request, answered."""
        with self.open(host) as answer:
            return answer

    def ask(self, address: str) -> Answer:
        """One request from inside of a room to the stable address of a service, answered."""
        found = (route for route in self._routes.values() if route.address == address and route.environment in self._rooms)
        route = next(found, None)
        return self.send(route.host_name) if route else Answer(status=404)

    @contextmanager
    def open(self, host: str) -> Iterator[Answer]:
        """One request that is in flight until the block ends."""
        route = self._routes.get(host)
        if route is None or not (route.legacy or route.v2):
            yield Answer(status=503 if route else 404)
            return
        runtime, address, shed = self._pick(route)
        at = self._now()
        self._busy[address] += 1
        try:
            yield Answer(status=self._status_of(address), runtime=runtime, address=address)
        finally:
            self._busy[address] -= 1
            failed = self._status_of(address) >= 500
            self._note(address, failed)
            self._asked.append(_Asked(host=host, at=at, runtime=runtime, failed=failed, shed=shed))

    def _pick(self, route: Route) -> tuple[RuntimeName, str, bool]:
        meant = bool(route.v2) and (not route.legacy or self._chance.randint(1, 100) <= route.weight)
        if meant and (not route.legacy or not all(map(self._tripped, route.v2))):
            return RuntimeName.V2, self._choose(route.v2), False
        return RuntimeName.LEGACY, self._choose(route.legacy), meant

    def _choose(self, addresses: Sequence[str]) -> str:
        working = [address for address in addresses if not self._tripped(address)]
        return self._chance.choice(working or addresses)

    def _tripped(self, address: str) -> bool:
        known = self._failures.get(address)
        return known is not None and known.count >= FAILURES and self._now() < known.last + REST

    def _note(self, address: str, failed: bool) -> None:
        if self._tripped(address):
            return
        if failed:
            known = self._failures.get(address)
            self._failures[address] = _Failures(known.count + 1 if known else 1, self._now())
        else:
            self._failures.pop(address, None)


def _sample(runtime: RuntimeName, asked: Sequence[_Asked], shed: int) -> Sample:
    mine = [one for one in asked if one.runtime is runtime]
    return Sample(runtime=runtime, requests=len(mine), errors=sum(one.failed for one in mine), shed=shed)
