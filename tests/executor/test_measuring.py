"""When a period ends, and that its snapshots are stored with the transition that ends it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.executor.measuring import period
from rollout.executor.ports import Look
from rollout.model.fleet import Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import Policy, TierPolicy
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict
from rollout.perf.collect import SIDES
from rollout.runtimes.memory import Fault
from tests.sim.simworld import SimWorld

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
