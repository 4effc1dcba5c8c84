"""Both runtimes, an edge and gates in memory: honest about what they are told to do, with faults on demand.

For `--dry-run` and the simulator. Time comes from the clock handed in, so everything here happens in virtual time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollout.errors import BrokenError, FencedError, HostGoneError
from rollout.executor.ports import Clock, Copy, Edge, Look, Order, Runtime
from rollout.model.fleet import Kind, Placement, Release, RuntimeName
from rollout.model.verdict import Outcome, Verdict

DRAINS_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with a service on one runtime; by default nothing. Times in seconds after its launch.

    `hangs`: a launch does not end before its deadline. `unhealthy_after_s`: its health check fails from then on.
    `errs`: it answers requests with errors. `silent`: nobody sends it requests, so nobody can tell. `slower`: by which share.
    """

    publish_fails: str = ""
    launch_fails: str = ""
    hangs: bool = False
    dies_after_s: float | None = None
    restarts_after_s: float | None = None
    unhealthy_after_s: float | None = None
    errs: bool = False
    slower: float = 0.0
    silent: bool = False
    never_drains: bool = False


NONE = Fault()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One copy in memory."""

    order: Order
    since: datetime
    dead: bool = False


@dataclass(slots=True)
class MemoryHost:
    """What a host would know. `gone` and `edge_gone`: asked at every call, whether host part or edge do not answer now."""

    clock: Clock
    faults: dict[tuple[str, RuntimeName], Fault] = field(default_factory=dict)
    copies: dict[str, dict[str, Running]] = field(default_factory=dict)
    published: set[tuple[str, RuntimeName]] = field(default_factory=set)
    weights: dict[str, dict[RuntimeName, int]] = field(default_factory=dict)
    weighed: dict[str, datetime] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    gone: Callable[[], bool] = lambda: False
    edge_gone: Callable[[], bool] = lambda: False
    gate_gone: Callable[[], bool] = lambda: False

    def adopt(self, release: Release, placement: Placement) -> None:
        """The copy of a placement runs already, with its share of traffic."""
        order = Order(release=release, runtime=placement.runtime, token=placement.token, fence=0, replicas=placement.replicas)
        self.of(release.service)[placement.token] = Running(order=order, since=self.clock.now())
        shares = self.weights.setdefault(release.service, dict.fromkeys(RuntimeName, 0))
        shares[placement.runtime] = placement.weight

    def of(self, service: str) -> dict[str, Running]:
        """The copies of a service by their tokens, both sides."""
        return self.copies.setdefault(service, {})

    def fence(self, service: str, number: int) -> None:
        """The number is the highest seen of the service; FencedError for a lower one."""
        highest = self.fences.get(service, 0)
        if number < highest:
            raise FencedError(f"{service}: taken over by lease {highest}", then="rollout status")
        self.fences[service] = number

    def fault(self, service: str, runtime: RuntimeName) -> Fault:
        """What is to go wrong."""
        return self.faults.get((service, runtime), NONE)

    def running(self, service: str, runtime: RuntimeName) -> list[Running]:
        """Live copies of one side."""
        found = (copy for copy in self.of(service).values() if copy.order.runtime is runtime)
        return [copy for copy in found if not self.is_dead(copy)]

    def healthy(self, service: str, runtime: RuntimeName) -> bool:
        """A copy of that side runs and would pass its health check."""
        return any(not self.is_ill(copy) for copy in self.running(service, runtime))

    def is_dead(self, copy: Running) -> bool:
        """The copy has ended by itself."""
        return copy.dead or self._reached(copy, self.fault(copy.order.service, copy.order.runtime).dies_after_s)

    def is_ill(self, copy: Running) -> bool:
        """The copy does not answer its health check."""
        return self._reached(copy, self.fault(copy.order.service, copy.order.runtime).unhealthy_after_s)

    def restarts(self, copy: Running) -> int:
        """How often the copy was restarted."""
        return int(self._reached(copy, self.fault(copy.order.service, copy.order.runtime).restarts_after_s))

    def kill(self, service: str, runtime: RuntimeName) -> None:
        """Every copy of that side has died."""
        self._mark(service, runtime, dead=True)

    def revive(self, service: str, runtime: RuntimeName) -> None:
        """Dead copies of that side run again."""
        self._mark(service, runtime, dead=False)

    def _mark(self, service: str, runtime: RuntimeName, *, dead: bool) -> None:
        for token, copy in self.of(service).items():
            if copy.order.runtime is runtime:
                self.of(service)[token] = replace(copy, dead=dead)

    def _reached(self, copy: Running, after_s: float | None) -> bool:
        return after_s is not None and (self.clock.now() - copy.since).total_seconds() >= after_s


class MemoryRuntime:
    """One side."""

    def __init__(self, host: MemoryHost, name: RuntimeName) -> None:
        self._host = host
        self._name = name

    def publish(self, order: Order) -> None:
        """Noted, unless it is to fail."""
        fault = self._begin(order)
        if fault.publish_fails:
            raise BrokenError(fault.publish_fails)
        self._host.published.add((order.service, self._name))

    def unpublish(self, order: Order) -> None:
        """Noted."""
        self._begin(order)
        self._host.published.discard((order.service, self._name))

    def launch(self, order: Order) -> Copy:
        """The copy runs, unless it is to fail or to hang."""
        fault = self._begin(order)
        if fault.hangs:
            self._host.clock.sleep(order.deadline_s)
            raise BrokenError(f"{order.service} did not come up within {order.deadline_s:.0f} s")
        key = (order.service, order.token)
        if fault.launch_fails:
            self._host.logs[key] = [fault.launch_fails]
            raise BrokenError(fault.launch_fails)
        copies = self._host.of(order.service)
        if order.token not in copies:
            copies[order.token] = Running(order=order, since=self._host.clock.now())
            self._host.logs[key] = [f"{order.service} started on {self._name}"]
        return self._facts(copies[order.token])

    def inspect(self, service: str, token: str) -> Copy | None:
        """What runs under the token."""
        self._answer()
        copy = self._host.of(service).get(token)
        return None if copy is None else self._facts(copy)

    def stop(self, order: Order) -> None:
        """Nothing runs under the token."""
        self._begin(order)
        self._host.of(order.service).pop(order.token, None)

    def tail(self, service: str, token: str, lines: int = 50) -> Sequence[str]:
        """What was noted of the copy."""
        self._answer()
        return self._host.logs.get((service, token), [])[-lines:]

    def _begin(self, order: Order) -> Fault:
        self._answer()
        self._host.fence(order.service, order.fence)
        return self._host.fault(order.service, self._name)

    def _answer(self) -> None:
        if self._host.gone():
            raise HostGoneError("the host part does not answer")

    def _facts(self, copy: Running) -> Copy:
        order, dead = copy.order, self._host.is_dead(copy)
        return Copy(
            service=order.service,
            runtime=order.runtime,
            token=order.token,
            running=0 if dead else order.replicas,
            wanted=order.replicas,
            restarts=self._host.restarts(copy),
            exit_code=1 if dead else None,
        )


class MemoryEdge:
    """Weights in memory; what was open on a side drains within half a second once that side gets nothing new."""

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        """New requests are shared by these weights."""
        self._answer()
        self._host.fence(service, fence)
        if sum(weights.values()) != 100:
            raise BrokenError(f"weights of {service} add up to {sum(weights.values())}, not 100")
        if self._host.weights.get(service) != dict(weights):
            self._host.weighed[service] = self._host.clock.now()
        self._host.weights[service] = dict(weights)

    def in_flight(self, service: str, runtime: RuntimeName) -> int:
        """One while the side has traffic or has not drained yet."""
        self._answer()
        if not self._host.running(service, runtime):
            return 0
        if self._host.weights.get(service, {}).get(runtime, 0) > 0 or self._host.fault(service, runtime).never_drains:
            return 1
        since = self._host.weighed.get(service)
        return int(since is not None and (self._host.clock.now() - since).total_seconds() < DRAINS_S)

    def withdraw(self, service: str, fence: int) -> None:
        """The edge does not know the service."""
        self._answer()
        self._host.fence(service, fence)
        self._host.weights.pop(service, None)

    def _answer(self) -> None:
        if self._host.edge_gone():
            raise HostGoneError("the edge does not answer")


class MemoryHealth:
    """A health gate that asks the host's memory."""

    name = "health"
    proves = True

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    def absent(self, release: Release) -> str | None:
        """It applies to every kind."""
        return None if release.spec.kind is not Kind.CRON else "it runs by the clock"

    def look(self, look: Look) -> Verdict:
        """Pass where a healthy copy runs on that side."""
        if self._host.gate_gone():
            raise HostGoneError("the health check cannot reach the network")
        well = self._host.healthy(look.move.service, look.side)
        outcome = Outcome.PASS if well else Outcome.FAIL
        return Verdict(gate=self.name, outcome=outcome, reason="answers" if well else "does not answer", at=look.now)


class MemoryTraffic:
    """A traffic gate that asks the host's memory."""

    name = "traffic"
    proves = False

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    def absent(self, release: Release) -> str | None:
        """It needs requests."""
        return None if release.spec.kind in {Kind.HTTP, Kind.TCP} else "it gets no requests"

    def look(self, look: Look) -> Verdict:
        """Fail where the side answers with errors, inconclusive where nobody asks it."""
        fault = self._host.fault(look.move.service, look.side)
        outcome, reason = Outcome.PASS, "as good as before"
        if fault.errs:
            outcome, reason = Outcome.FAIL, "100 % errors"
        elif fault.silent and look.probe:
            reason = "by our own requests: as good as before"
        elif fault.silent:
            outcome, reason = Outcome.INCONCLUSIVE, "no requests"
        return Verdict(gate=self.name, outcome=outcome, reason=reason, at=look.now)


def memory_runtimes(host: MemoryHost) -> dict[RuntimeName, Runtime]:
    """Both sides."""
    return {name: MemoryRuntime(host, name) for name in RuntimeName}


def memory_edge(host: MemoryHost) -> Edge:
    """The edge."""
    return MemoryEdge(host)


def adopt_all(host: MemoryHost, fleet: Iterable[tuple[Release, Placement]]) -> None:
    """Everything that is said to run does run."""
    for release, placement in fleet:
        host.adopt(release, placement)
