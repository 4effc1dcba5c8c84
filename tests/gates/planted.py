"""A service with a planted fault, behind an edge in virtual time: its requests come one by one, and the real gates judge them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from rollout.errors import BrokenError
from rollout.executor.ports import Copy, Gate
from rollout.gates.health import Health
from rollout.gates.own_requests import OwnRequests
from rollout.gates.performance import Performance
from rollout.gates.signed_rank import SignedRank
from rollout.gates.traffic import Traffic
from rollout.model.fleet import RuntimeName
from rollout.model.policy import HealthGate, PerformanceGate, Policy, TrafficGate
from rollout.model.sample import Sample
from rollout.network.ask import Answer, Question
from rollout.perf.blocks import Timed
from rollout.perf.histogram import of
from rollout.runtimes.memory import Fault, MemoryEdge, MemoryHost, memory_runtimes
from tests.sim.simworld import POLICY, START, SimWorld

L, V = RuntimeName.LEGACY, RuntimeName.V2
HEALTH = HealthGate(passes=2, looks=3, over_s=2.0, every_s=1.0, body_contains="ok")
TRAFFIC = TrafficGate(min_requests=20, max_increase=0.02, max_slowdown=1.0, tolerance_s=0.005)
PERFORMANCE = PerformanceGate(min_requests=150, max_slowdown=0.2, tolerance_s=0.002, warm_up=10)
RULES: Policy = replace(POLICY, steps=(50, 100), step_s=8, bake_s=10, keep_warm_s=2, hold_limit_s=30, health=HEALTH)
A_SECOND = 40
LEGACY_MS = 20.0
EDGE_WAITS_S = 3.0
GATES = {
    "health": ("health",),
    "errors": ("errors",),
    "latency": ("latency",),
    "performance": ("performance",),
    "together": ("health", "traffic", "performance"),
}
"""Which gates are asked; `errors` and `latency` are the two halves of the traffic gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What is wrong with v2. Times in seconds after its launch; `from_request`: it answers 500 from that request on."""

    dies_after_s: float | None = None
    from_request: int | None = None
    slower: float = 0.0
    hangs_after_s: float | None = None
    refuses_after_s: float | None = None
    ill_after_s: float | None = None
    body: str = "ok"
    idle: bool = False
    unread: bool = False


FAULTS: Mapping[str, Planted] = {
    "none": Planted(),
    "crash": Planted(dies_after_s=6),
    "5xx from the 30th request": Planted(from_request=30),
    "40 % slower": Planted(slower=0.4),
    "3 times as slow": Planted(slower=2.0),
    "hangs from its launch": Planted(hangs_after_s=0),
    "hangs after 6 s": Planted(hangs_after_s=6),
    "refuses after 6 s": Planted(refuses_after_s=6),
    "wrong body": Planted(body="it works!"),
    "unhealthy after 6 s": Planted(ill_after_s=6),
    "idle": Planted(idle=True),
    "samples cannot be read": Planted(unread=True),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the edge saw it. `milliseconds` None: it failed."""

    side: RuntimeName
    began: float
    ended: float
    milliseconds: float | None


@dataclass(slots=True)
class Scene:
    """One service that moves, with what is wrong with its v2; fulfils Samples and Stream, and answers health questions."""

    planted: Planted
    sim: SimWorld = field(default_factory=lambda: SimWorld(policy=RULES))
    requests: list[Request] = field(default_factory=list)
    chance: Random = field(default_factory=lambda: Random(7))
    until: float = START.timestamp()
    of_v2: int = 0

    def drive(self, asked: str) -> str:
        """The service's move is driven to its end; its id."""
        service = self.sim.add("api")
        release = self.sim.journal.releases[service][0]
        self.sim.journal.releases[service] = [replace(release, spec=replace(release.spec, health_path="/health"))]
        self.sim.host.faults[service, V] = Fault(dies_after_s=self.planted.dies_after_s)
        gates = [self.gate(name) for name in GATES[asked]]
        comparing = [gate for gate in gates if gate.name == "performance"]
        always = [gate for gate in gates if gate.name != "performance"]
        self.sim.drive(gates=always, comparing=comparing, edge=PlantedEdge(self.sim.host, self), instrument=None)
        return service

    def gate(self, name: str) -> Gate:
        """The real gate; half of it where the name says so."""
        sides = {runtime: Addressed(runtime, self) for runtime in RuntimeName}
        own = OwnRequests(sides, HEALTH, self.ask, self.sim.seconds)  # type: ignore[arg-type]
        rules = {
            "traffic": TRAFFIC,
            "errors": replace(TRAFFIC, max_slowdown=1000.0),
            "latency": replace(TRAFFIC, max_increase=1.0),
        }
        if name == "health":
            return Health(sides, HEALTH, self.ask)  # type: ignore[arg-type]
        return Performance(self, SignedRank(), PERFORMANCE, own) if name == "performance" else Traffic(self, rules[name], own)

    def age(self, at: float) -> float | None:
        """For how long v2 has run, in seconds; None where it does not."""
        copies = [copy for copy in self.sim.host.of("shop/api").values() if copy.order.runtime is V]
        return at - copies[0].since.timestamp() if copies else None

    def ask(self, address: str, question: Question) -> Answer:
        """What a copy answers to its health check now."""
        age, planted = self.age(self.now()), self.planted
        if address == "legacy" or age is None:
            return Answer(True, "200")
        if _reached(planted.hangs_after_s, age):
            return Answer(False, f"no answer within {question.timeout_s:g} s")
        if _reached(planted.refuses_after_s, age):
            return Answer(False, "refused")
        if _reached(planted.ill_after_s, age):
            return Answer(False, "503")
        good = (question.body_contains or "") in planted.body
        return Answer(good, "200" if good else f"200 without '{question.body_contains}'")

    def now(self) -> float:
        return self.sim.clock.now().timestamp()

    def come(self) -> None:
        """Requests have come until now, by the weights that held; before each change of weights this is told."""
        weights = self.sim.host.weights["shop/api"]
        while not self.planted.idle and self.until + 1 / A_SECOND <= self.now():
            self.until += 1 / A_SECOND
            self._one(V if 100 * self.chance.random() < weights[V] else L, self.until)
        self.until = max(self.until, self.now() - 1 / A_SECOND) if self.planted.idle else self.until

    def _one(self, side: RuntimeName, began: float) -> None:
        milliseconds = LEGACY_MS * self.chance.lognormvariate(0, 0.2)
        age, planted = self.age(began), self.planted
        if side is V and age is not None:
            self.of_v2 += 1
            milliseconds *= 1 + planted.slower
            if _reached(planted.hangs_after_s, age):
                return self.requests.append(Request(side, began, began + EDGE_WAITS_S, None))
            broken = planted.from_request is not None and self.of_v2 >= planted.from_request
            if broken or _reached(planted.refuses_after_s, age) or _reached(planted.dies_after_s, age):
                return self.requests.append(Request(side, began, began + 0.001, None))
        return self.requests.append(Request(side, began, began + milliseconds / 1000, milliseconds))

    def seen(self, since: datetime) -> Sequence[Request]:
        """Requests that began since then and have ended, in the order in which they ended."""
        if self.planted.unread:
            raise BrokenError("the log is not there")
        self.come()
        found = [one for one in self.requests if one.began >= since.timestamp() and one.ended <= self.now()]
        return sorted(found, key=lambda one: one.ended)

    def read(self, _service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """See Samples."""
        found = self.seen(since)
        return {side: _sample(side, [one for one in found if one.side is side]) for side in RuntimeName}

    def first(self, _service: str, since: datetime) -> Sequence[Timed]:
        """See Stream."""
        return [Timed(one.side, one.milliseconds, one.ended) for one in self.seen(since) if one.milliseconds is not None]


class PlantedEdge(MemoryEdge):
    """Requests before a change of weights go by the old ones."""

    def __init__(self, host: MemoryHost, scene: Scene) -> None:
        super().__init__(host)
        self.scene = scene

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        self.scene.come()
        super().weigh(service, weights, fence)


class Addressed:
    """A runtime in memory whose copies have an address: the name of their side."""

    def __init__(self, runtime: RuntimeName, scene: Scene) -> None:
        self.runtime, self.scene = runtime, scene

    def inspect(self, service: str, token: str) -> Copy | None:
        copy = memory_runtimes(self.scene.sim.host)[self.runtime].inspect(service, token)
        return None if copy is None else replace(copy, addresses=(str(self.runtime),))


def _reached(after_s: float | None, age: float) -> bool:
    return after_s is not None and age >= after_s


def _sample(side: RuntimeName, found: Sequence[Request]) -> Sample:
    bad = [one.began for one in found if one.milliseconds is None]
    return Sample(
        runtime=side,
        requests=len(found),
        errors=len(bad),
        latencies=of(one.milliseconds for one in found if one.milliseconds is not None),
        first=_moment(min((one.began for one in found), default=None)),
        first_bad=_moment(min(bad, default=None)),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
