"""A fleet in memory and virtual time, with invariants that are checked whenever the world changes."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rollout.executor.drive import drive
from rollout.executor.enrol import back_row
from rollout.executor.fold import added_up
from rollout.executor.memory import MemoryJournal, MemoryLeases, VirtualClock, inline
from rollout.executor.ports import Batch, Control, ControlKind
from rollout.executor.result import Until, WaveResult
from rollout.executor.world import World
from rollout.model.fleet import Kind, Placement, Release, RuntimeName, Service, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.move import Move
from rollout.model.plan import PlannedMove, Precondition, Strategy, Wave
from rollout.model.policy import Amount, Concurrency, Deadlines, HealthGate, Policy, TierPolicy
from rollout.model.state import State
from rollout.runtimes.memory import MemoryEdge, MemoryHealth, MemoryHost, MemoryTraffic, memory_runtimes
from rollout.runtimes.memory_instrument import MemoryInstrument

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOLDER = Holder(user="ann", host="here", pid=1, started=1.0, doing="execute wave-1")
POLICY = Policy(
    name="test",
    tiers=(TierPolicy(tier=Tier.TRIAL, budget=Amount(percent=50)),),
    concurrency=Concurrency(total=5),
    steps=(10, 50, 100),
    step_s=10,
    bake_s=20,
    keep_warm_s=60,
    hold_limit_s=600,
    health=HealthGate(every_s=1.0),
    deadlines=Deadlines(publishing_s=60, launching_s=30, proving_s=30, step_s=60, draining_s=10),
)


class Crash(BaseException):
    """The driver's process is gone."""


class CrashingJournal(MemoryJournal):
    """Ends the driver after the commit whose number is next in `crashes`, and tells who watches of each commit."""

    def __init__(self, leases: MemoryLeases, clock: VirtualClock) -> None:
        super().__init__(leases, clock)
        self.commits = 0
        self.crash_after: Callable[[int], bool] = lambda _: False
        self.watch: Callable[[], None] = lambda: None

    def commit(self, lease: Lease, batch: Batch) -> None:
        super().commit(lease, batch)
        self.commits += 1
        self.watch()
        if self.crash_after(self.commits):
            raise Crash


@dataclass
class SimWorld:
    policy: Policy = POLICY
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(START))
    number: int = 1
    moves: list[PlannedMove] = field(default_factory=list)
    at: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    stop: bool = False

    def __post_init__(self) -> None:
        self.leases = MemoryLeases(self.clock, lambda _: False)
        self.journal = CrashingJournal(self.leases, self.clock)
        self.journal.watch = self.check
        self.host = MemoryHost(clock=self.clock)
        self.controls = 0
        self.ended: dict[str, State] = {}

    def add(
        self, name: str, strategy: Strategy = Strategy.OVERLAP, kind: Kind = Kind.HTTP, customer: str = "c1", environment="shop"
    ) -> str:
        spec = Service(
            name=name, environment=environment, customer=customer, tier=Tier.TRIAL, kind=kind, command="run", draining_s=5
        )
        release = Release(service=spec.id, number=1, created=START, created_by="ann", spec=spec)
        placement = Placement(
            service=spec.id, runtime=RuntimeName.LEGACY, release=1, token=f"old.{name}", replicas=1, weight=100, since=START
        )
        self.journal.releases[spec.id] = [release]
        self.journal.placed[spec.id, RuntimeName.LEGACY] = placement
        self.host.adopt(release, placement)
        condition = Precondition(settings_hash="", tier=Tier.TRIAL, runtime=RuntimeName.LEGACY, pinned=False, release=1)
        self.moves.append(
            PlannedMove(
                service=spec.id,
                customer=customer,
                environment=environment,
                kind=kind,
                strategy=strategy,
                expected_s=60,
                downtime_s=0,
                precondition=condition,
                why="",
            )
        )
        return spec.id

    @property
    def wave(self) -> Wave:
        return Wave(number=self.number, tier=Tier.TRIAL, moves=tuple(self.moves))

    def world(self) -> World:
        return World(
            clock=SimClock(self),
            journal=self.journal,
            standing=self.journal,
            leases=self.leases,
            runtimes=memory_runtimes(self.host),
            edge=MemoryEdge(self.host),
            gates=(MemoryHealth(self.host), MemoryTraffic(self.host)),
            policy=self.policy,
            instrument=MemoryInstrument(self.host),
            spawn=inline,
            stop_requested=lambda: self.stop,
            mask=lambda text: text.replace("hunter2", "***"),
            tick_s=1.0,
        )

    def drive(self, until: Until = Until.FINISHED, **changes: object) -> WaveResult:
        lease = self.leases.take(f"wave-{self.number}", HOLDER)
        try:
            return drive(replace(self.world(), **changes), self.wave, lease, until=until)
        finally:
            self.leases.give_back(lease)

    def drive_through_crashes(self, until: Until = Until.FINISHED, limit: int = 5000) -> WaveResult:
        for _ in range(limit):
            try:
                result = self.drive(until)
            except Crash:
                continue
            self.check_sum()
            return result
        raise AssertionError("crashes without end")

    def drive_back(self, service: str, until: Until = Until.FINISHED) -> WaveResult:
        from rollout.executor.enrol import enrol

        done = self.row(service)
        back = Wave(number=-7, tier=Tier.TRIAL, moves=())
        lease = self.leases.take(f"service:{service}", HOLDER)
        row = back_row(done, number=7, position=0, now=self.clock.now(), reason="revert", actor="ann")
        enrol(self.journal, lease, [row])
        result = drive(self.world(), back, lease, until=until)
        self.leases.give_back(lease)
        self.check_sum()
        return result

    def ask(self, kind: ControlKind, subject: str, value: str = "", actor: str = "ann", reason: str = "because") -> int:
        self.controls += 1
        control = Control(
            id=self.controls, kind=kind, subject=subject, actor=actor, reason=reason, at=self.clock.now(), value=value
        )
        self.journal.asked[control.id] = control
        return control.id

    def end(self, control: int) -> None:
        del self.journal.asked[control]

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        self.at.append((seconds, act))
        self.at.sort(key=lambda x: x[0])

    def seconds(self) -> float:
        return (self.clock.now() - START).total_seconds()

    def row(self, service: str, wave: str = "") -> Move:
        return self.journal.rows[f"{wave or self.wave.name}/{service}"]

    def states(self) -> dict[str, State]:
        return {row.service: row.state for row in self.journal.rows.values()}

    def events(self, service: str) -> list[str]:
        return [str(e.event) for e in self.journal.entries if e.move.endswith("/" + service) and e.event]

    def state_walk(self, service: str) -> list[str]:
        found = [str(e.changes["state"]) for e in self.journal.entries if e.move.endswith("/" + service) and "state" in e.changes]
        return [s for n, s in enumerate(found) if n == 0 or found[n - 1] != s]

    # invariants

    def check(self) -> None:
        """Whenever something was made durable: what must never be, is not."""
        live: dict[str, str] = {}
        for row in self.journal.rows.values():
            if row.live:
                assert live.setdefault(row.service, row.id) == row.id, "two live moves of one service"
            assert self.ended.get(row.id, row.state) is row.state, "what has ended stays so"
            self.check_serves(row)
            if not row.live and row.id not in self.ended:
                self.check_end(row)
                self.ended[row.id] = row.state

    def check_serves(self, row: Move) -> None:
        weights = self.host.weights[row.service]
        assert sum(weights.values()) == 100
        gap = row.strategy is Strategy.RECREATE
        running = [name for name in RuntimeName if self.host.running(row.service, name)]
        told_to_die = any(self.host.fault(row.service, n).dies_after_s is not None for n in RuntimeName)
        if not gap and not told_to_die and row.service not in self.killed:
            assert running, f"nothing runs of {row.service} in {row.state}"
            for name, weight in weights.items():
                assert weight == 0 or name in running, f"{weight} % of {row.service} go to {name}, where nothing runs"

    def check_end(self, row: Move) -> None:
        weights = self.host.weights[row.service]
        if row.state in {State.FELL_BACK, State.ABORTED}:
            assert weights[row.source] == 100
            assert not self.host.running(row.service, row.target)
        if row.state is State.FINISHED:
            assert weights[row.target] == 100
            assert not self.host.running(row.service, row.source)

    killed: set[str] = field(default_factory=set)

    def kill(self, service: str, runtime: RuntimeName) -> None:
        self.killed.add(service)
        self.host.kill(service, runtime)

    def check_sum(self) -> None:
        """The rows are nothing but the journal added up."""
        added = added_up(self.journal.entries)
        assert added == {id: replace(row, due=None) for id, row in self.journal.rows.items()}


class SimClock:
    """The virtual clock of a driver: what is to happen at a time happens on the way."""

    def __init__(self, sim: SimWorld) -> None:
        self._sim = sim

    def now(self) -> datetime:
        return self._sim.clock.now()

    def sleep(self, seconds: float) -> None:
        self._sim.clock.sleep(seconds)
        while self._sim.at and self._sim.at[0][0] <= self._sim.seconds():
            self._sim.at.pop(0)[1]()
