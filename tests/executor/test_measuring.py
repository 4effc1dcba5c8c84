"""When a period ends, and that its snapshots are stored with the transition that ends it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.executor.measuring import period
from rollout.executor.ports import ControlKind, Look
from rollout.model.fleet import Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import Policy, TierPolicy
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict
from rollout.perf.collect import SIDES
from rollout.runtimes.memory import Fault, MemoryHealth
from tests.sim.simworld import POLICY as SIM_POLICY
from tests.sim.simworld import Crash, SimWorld

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy(name="p", tiers=(TierPolicy(tier=Tier.TRIAL),), steps=(10, 50, 100), step_s=10, bake_s=20, before_s=60)


def look(state: State, ago: float, weight: int = 0, step: int = 0, **more: object) -> Look:
    spec = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL)
    row = Move(
        id="wave-1/shop/api",
        service="shop/api",
        wave=1,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=NOON - timedelta(seconds=ago),
        state=state,
        weight=weight,
        step=step,
        steps=POLICY.steps,
    )
    release = Release(service="shop/api", number=1, created=NOON, created_by="ann", spec=spec)
    shown = Look(move=row, release=release, side=row.target, token=row.token, since=row.since, now=NOON, weight=weight)
    return replace(shown, **more)


def said(outcome: Outcome) -> list[Verdict]:
    return [Verdict(gate="health", outcome=outcome, reason="", at=NOON)]


@pytest.mark.parametrize(
    ("shown", "outcome", "phase", "ago"),
    [
        (look(State.PROVING, 5), "pass", Phase.BEFORE, 65),
        (look(State.PROVING, 5), "inconclusive", None, 0),
        (look(State.PROVING, 5), "fail", None, 0),
        (look(State.PROVING, 5, weight=50), "pass", None, 0),
        (look(State.SHIFTING, 5, weight=10), "pass", None, 0),
        (look(State.SHIFTING, 5, weight=10), "fail", Phase.DURING, 5),
        (look(State.SHIFTING, 10, weight=10), "pass", Phase.DURING, 10),
        (look(State.SHIFTING, 99, weight=10, step=1), "pass", None, 0),
        (look(State.SHIFTING, 3, weight=50, step=1, final=True), "inconclusive", Phase.DURING, 3),
        (look(State.BAKING, 19, weight=100, step=2), "pass", None, 0),
        (look(State.BAKING, 20, weight=100, step=2), "pass", Phase.AFTER, 20),
        (look(State.WARM, 99, weight=100, step=2), "fail", None, 0),
    ],
)
def test_the_period_that_may_end(shown: Look, outcome: str, phase: Phase | None, ago: float) -> None:
    expected = None if phase is None else (phase, NOON - timedelta(seconds=ago))
    assert period(shown, said(Outcome(outcome)), POLICY) == expected


class Measures:
    """One snapshot for each side of a period; it breaks where it is told to."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.watched = 0

    def watch(self, look: Look) -> None:
        self.watched += 1
        if self.broken:
            raise OSError("no log")

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        return [
            Snapshot(
                move=look.move.id,
                service=look.move.service,
                runtime=side,
                phase=phase,
                instrument="a test",
                began=since,
                ended=look.now,
                weight=look.weight,
            )
            for side in SIDES[phase]
        ]


def measured(fault: Fault, instrument: Measures) -> tuple[SimWorld, list[tuple[str, str, int]]]:
    sim = SimWorld()
    api = sim.add("api")
    sim.host.faults[api, RuntimeName.V2] = fault
    sim.drive(instrument=instrument)
    return sim, [(str(s.phase), str(s.runtime), s.weight) for s in sim.journal.measured]


def test_a_move_is_measured_before_during_each_step_and_after() -> None:
    sim, found = measured(Fault(), Measures())
    assert found == [
        ("before", "legacy", 0),
        ("during", "legacy", 10),
        ("during", "v2", 10),
        ("during", "legacy", 50),
        ("during", "v2", 50),
        ("after", "v2", 100),
    ]
    assert sim.row("shop/api").state is State.FINISHED
    ends = [snapshot.ended for snapshot in sim.journal.measured]
    assert {entry.at for entry in sim.journal.entries if entry.event} >= set(ends)


def test_what_falls_back_is_measured_up_to_then() -> None:
    _, found = measured(Fault(errs=True), Measures())
    assert found == [("before", "legacy", 0), ("during", "legacy", 10), ("during", "v2", 10)]


def test_a_broken_instrument_keeps_no_move_from_anything() -> None:
    instrument = Measures(broken=True)
    sim, found = measured(Fault(), instrument)
    assert instrument.watched > 0
    assert found == []
    assert sim.row("shop/api").state is State.FINISHED


class BeforeTheShift(Measures):
    """Finds nothing where traffic is not shared any more as the snapshot would say, or is not told of the period's own row."""

    def __init__(self, sim: SimWorld) -> None:
        super().__init__()
        self.sim = sim

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        shared = self.sim.host.weights[look.move.service][RuntimeName.V2] == look.weight
        if not shared or look.move.state is State.FALLING_BACK:
            return []
        return super().measure(look, phase, since)


def ended_by(at: float, act: Callable[[SimWorld], object], **policy: object) -> tuple[SimWorld, Move]:
    """A move to which that happened so many seconds after it began, with its end; no period of a side is told twice."""
    sim = SimWorld(policy=replace(SIM_POLICY, **policy))
    api = sim.add("api")
    sim.after(at, lambda: act(sim))
    sim.drive(instrument=BeforeTheShift(sim))
    found = [(s.phase, s.runtime, s.began) for s in sim.journal.measured]
    assert len(found) == len(set(found))
    return sim, sim.row(api)


def last_period(sim: SimWorld) -> list[tuple[str, str, int, float]]:
    """Of what was measured last: phase, side, weight and how long (s)."""
    last = sim.journal.measured[-1]
    return [(str(s.phase), str(s.runtime), s.weight, s.seconds) for s in sim.journal.measured if s.began == last.began]


@pytest.mark.parametrize(
    ("kind", "value", "end"),
    [
        (ControlKind.FAIL, "", State.FELL_BACK),
        (ControlKind.REVERT, "", State.FELL_BACK),
        (ControlKind.ABORT, "", State.ABORTED),
        (ControlKind.OWNER, "pin", State.ABORTED),
        (ControlKind.OWNER, "deploy", State.ABORTED),
    ],
)
@pytest.mark.parametrize("at", [5.0, 27.0])
def test_a_period_that_a_person_ends_is_measured(kind: ControlKind, value: str, end: State, at: float) -> None:
    sim, row = ended_by(at, lambda sim: sim.ask(kind, "shop/api", value))
    assert row.state is end
    left = next(entry.at for entry in sim.journal.entries if entry.changes.get("state") == "falling_back")
    if at == 5.0:
        assert [one[:3] for one in last_period(sim)] == [("during", "legacy", 10), ("during", "v2", 10)]
    else:
        assert [one[:3] for one in last_period(sim)] == [("after", "v2", 100)]
    assert all(seconds >= 5 for *_, seconds in last_period(sim))
    assert left <= sim.journal.measured[-1].ended <= left + timedelta(seconds=1)


def test_legacy_alone_is_measured_when_a_person_ends_it() -> None:
    sim = SimWorld(policy=SIM_POLICY)
    sim.add("api")
    sim.after(1.0, lambda: sim.ask(ControlKind.ABORT, "wave-1"))
    sim.drive(instrument=Measures(), gates=(Undecided(sim.host),))
    assert sim.row("shop/api").state is State.ABORTED
    assert [one[:2] for one in last_period(sim)] == [("before", "legacy")]
    assert last_period(sim)[0][3] >= SIM_POLICY.before_s


class Undecided(MemoryHealth):
    """Cannot tell yet of what has no traffic."""

    def look(self, look: Look) -> Verdict:
        found = super().look(look)
        return replace(found, outcome=Outcome.INCONCLUSIVE) if look.move.state is State.PROVING else found


def test_a_period_that_was_held_for_too_long_is_measured() -> None:
    sim, row = ended_by(5.0, lambda sim: sim.ask(ControlKind.PAUSE, "*"), hold_limit_s=50.0)
    assert row.state is State.ABORTED
    assert row.reason.startswith("held at 10 %")
    assert [one[:3] for one in last_period(sim)] == [("during", "legacy", 10), ("during", "v2", 10)]
    assert last_period(sim)[0][3] >= 50


def test_a_period_that_the_death_of_the_copy_ends_is_measured() -> None:
    sim, row = ended_by(5.0, lambda sim: sim.kill("shop/api", RuntimeName.V2))
    assert row.state is State.FELL_BACK
    assert [one[:3] for one in last_period(sim)] == [("during", "legacy", 10), ("during", "v2", 10)]


def test_what_v2_was_not_proven_for_is_not_measured() -> None:
    sim, found = measured(Fault(unhealthy_after_s=0.0), Measures())
    assert (sim.row("shop/api").state, found) == (State.FELL_BACK, [])


def test_an_instrument_that_breaks_holds_nobody_on_the_way_back() -> None:
    class Breaks(Measures):
        def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
            raise OSError("no log")

    sim = SimWorld(policy=SIM_POLICY)
    sim.add("api")
    sim.after(5.0, lambda: sim.ask(ControlKind.FAIL, "shop/api"))
    sim.drive(instrument=Breaks())
    assert sim.row("shop/api").state is State.FELL_BACK
    assert sim.journal.measured == []


def test_a_driver_that_takes_a_verb_over_measures_too() -> None:
    """Nobody drove when a person said fail: the period is measured by the driver that obeys."""
    sim = SimWorld(policy=SIM_POLICY)
    sim.add("api")
    sim.journal.crash_after = lambda _: sim.seconds() >= 5
    with pytest.raises(Crash):
        sim.drive(instrument=Measures())
    sim.journal.crash_after = lambda _: False
    before = list(sim.journal.measured)
    sim.ask(ControlKind.FAIL, "shop/api")
    sim.drive(instrument=Measures())
    assert sim.row("shop/api").state is State.FELL_BACK
    assert [one[:3] for one in last_period(sim)] == [("during", "legacy", 10), ("during", "v2", 10)]
    assert len(sim.journal.measured) == len(before) + 2
