"""One world over several engines: every call goes to the engine that the service's release names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.executor.measuring import Instrument
from rollout.executor.ports import Copy, Edge, Gate, Look, Order, Runtime
from rollout.model.fleet import EngineName, Release, RuntimeName
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What drives the services of one engine. `gates` by name."""

    runtimes: Mapping[RuntimeName, Runtime]
    edge: Edge
    gates: Mapping[str, Gate]
    instrument: Instrument | None = None


PartsOf = Callable[[str], Parts]
"""The parts for a service, by its id."""


class AnyRuntime:
    """Fulfils `executor.ports.Runtime` for services of any engine."""

    def __init__(self, name: RuntimeName, parts_of: PartsOf) -> None:
        self._name = name
        self._parts_of = parts_of

    def publish(self, order: Order) -> None:
        """See Runtime."""
        self._of(order.service).publish(order)

    def unpublish(self, order: Order) -> None:
        """See Runtime."""
        self._of(order.service).unpublish(order)

    def launch(self, order: Order) -> Copy:
        """See Runtime."""
        return self._of(order.service).launch(order)

    def inspect(self, service: str, token: str) -> Copy | None:
        """See Runtime."""
        return self._of(service).inspect(service, token)

    def stop(self, order: Order) -> None:
        """See Runtime."""
        self._of(order.service).stop(order)

    def tail(self, service: str, token: str, lines: int = 50) -> Sequence[str]:
        """See Runtime."""
        return self._of(service).tail(service, token, lines)

    def _of(self, service: str) -> Runtime:
        return self._parts_of(service).runtimes[self._name]


class AnyEdge:
    """Fulfils `executor.ports.Edge` for services of any engine."""

    def __init__(self, parts_of: PartsOf) -> None:
        self._parts_of = parts_of

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        """See Edge."""
        self._parts_of(service).edge.weigh(service, weights, fence)

    def in_flight(self, service: str, runtime: RuntimeName) -> int:
        """See Edge."""
        return self._parts_of(service).edge.in_flight(service, runtime)

    def withdraw(self, service: str, fence: int) -> None:
        """See Edge."""
        self._parts_of(service).edge.withdraw(service, fence)


class AnyGate:
    """Fulfils `executor.ports.Gate` for services of any engine."""

    def __init__(self, name: str, parts_of: PartsOf, *, proves: bool) -> None:
        self.name = name
        self.proves = proves
        self._parts_of = parts_of

    def absent(self, release: Release) -> str | None:
        """See Gate."""
        return self._parts_of(release.service).gates[self.name].absent(release)

    def look(self, look: Look) -> Verdict:
        """See Gate."""
        return self._parts_of(look.release.service).gates[self.name].look(look)


class AnyInstrument:
    """Fulfils `executor.measuring.Instrument` for services of any engine; one without an instrument is not measured."""

    def __init__(self, parts_of: PartsOf) -> None:
        self._parts_of = parts_of

    def watch(self, look: Look) -> None:
        """See Instrument."""
        instrument = self._parts_of(look.move.service).instrument
        if instrument is not None:
            instrument.watch(look)

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        """See Instrument."""
        instrument = self._parts_of(look.move.service).instrument
        return () if instrument is None else instrument.measure(look, phase, since)


def engine_of(release: Release | None, usual: EngineName) -> EngineName:
    """The engine that a release names, else the home's."""
    return release.spec.engine_of(usual) if release is not None else usual
