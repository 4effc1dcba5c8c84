"""The driver dies after a journal write; a new one goes on. Seeded fleets with faults everywhere; a failing seed replays."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from rollout.errors import Exit
from rollout.executor.ports import ControlKind
from rollout.model.fleet import Kind, RuntimeName
from rollout.model.plan import Strategy
from rollout.model.policy import Amount, TierPolicy
from rollout.model.state import State
from rollout.runtimes.memory import Fault
from tests.sim.simworld import POLICY, SimWorld

FAULTS = {
    "good": {},
    "publish fails": {RuntimeName.V2: Fault(publish_fails="no image")},
    "launch fails": {RuntimeName.V2: Fault(launch_fails="exit 1 with hunter2")},
    "hangs": {RuntimeName.V2: Fault(hangs=True)},
    "never healthy": {RuntimeName.V2: Fault(unhealthy_after_s=0)},
    "ill later": {RuntimeName.V2: Fault(unhealthy_after_s=8)},
    "ill when warm": {RuntimeName.V2: Fault(unhealthy_after_s=60)},
    "restarts": {RuntimeName.V2: Fault(restarts_after_s=5)},
    "errs": {RuntimeName.V2: Fault(errs=True)},
    "never drains": {RuntimeName.LEGACY: Fault(never_drains=True)},
}
ENDS = {
    "good": State.FINISHED,
    "never drains": State.FINISHED,
}


def scenario(fault: str, strategy: Strategy) -> SimWorld:
    sim = SimWorld()
    api = sim.add("api", strategy)
    for runtime, what in FAULTS[fault].items():
        sim.host.faults[api, runtime] = what
    return sim


def expected_end(fault: str, strategy: Strategy) -> State:
    if fault == "ill when warm" and strategy is Strategy.RECREATE:
        return State.FINISHED
    return ENDS.get(fault, State.FELL_BACK)


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("fault", list(FAULTS))
def test_every_fault_ends_as_it_should(fault: str, strategy: Strategy) -> None:
    sim = scenario(fault, strategy)
    sim.drive()
    row = sim.row("shop/api")
    assert row.state is expected_end(fault, strategy)
    fell = row.state is State.FELL_BACK
    assert row.counts == fell
    assert ("shop/api" in sim.journal.blocked) == fell
    side = RuntimeName.LEGACY if fell else RuntimeName.V2
    assert [(p.runtime, p.weight) for p in sim.journal.placements("shop/api")] == [(side, 100)]
    assert sim.host.healthy("shop/api", side) or fault == "ill when warm"
    if fell:
        assert row.reason
        assert "hunter2" not in str(sim.journal.entries)
        assert sim.journal.setting("shop/api").runtime is RuntimeName.LEGACY


def commits_of(fault: str, strategy: Strategy) -> int:
    sim = scenario(fault, strategy)
    sim.drive()
    return sim.journal.commits


def crash_points() -> Iterator[tuple[str, Strategy]]:
    for fault in FAULTS:
        for strategy in Strategy:
            yield fault, strategy


@pytest.mark.parametrize(("fault", "strategy"), list(crash_points()))
def test_a_crash_after_any_write_changes_no_end(fault: str, strategy: Strategy) -> None:
    for nth in range(1, commits_of(fault, strategy) + 1):
        sim = scenario(fault, strategy)
        sim.journal.crash_after = nth.__eq__
        sim.drive_through_crashes()
        assert sim.row("shop/api").state is expected_end(fault, strategy), f"crash after commit {nth}"


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_crash_after_every_write_still_ends(strategy: Strategy) -> None:
    for fault in FAULTS:
        sim = scenario(fault, strategy)
        sim.journal.crash_after = lambda _: True
        sim.drive_through_crashes()
        assert sim.row("shop/api").state is expected_end(fault, strategy), fault


def fleet(seed: int, size: int = 40) -> SimWorld:
    chance = random.Random(seed)
    budget = Amount(percent=chance.choice([5.0, 30.0, 100.0]))
    policy = replace(POLICY, tiers=(TierPolicy(tier=POLICY.tiers[0].tier, budget=budget),))
    sim = SimWorld(policy=policy)
    for number in range(size):
        strategy = chance.choices(list(Strategy), [4, 1])[0]
        kind = chance.choices([Kind.HTTP, Kind.WORKER], [4, 1])[0]
        service = sim.add(f"s{number}", strategy, kind, f"c{number % 7}", f"e{number % 3}")
        name = chance.choices(list(FAULTS), [12, *([1] * (len(FAULTS) - 1))])[0]
        for runtime, what in FAULTS[name].items():
            sim.host.faults[service, runtime] = what
        if chance.random() < 0.1:
            sim.after(chance.uniform(5, 150), lambda s=service: sim.kill(s, RuntimeName.LEGACY))
            sim.after(chance.uniform(150, 300), lambda s=service: sim.host.revive(s, RuntimeName.LEGACY))
        if chance.random() < 0.2:
            kind = chance.choice([ControlKind.REVERT, ControlKind.FAIL, ControlKind.OWNER, ControlKind.APPROVE])
            value = chance.choice(["pin", "deploy", "stop", "remove"]) if kind is ControlKind.OWNER else ""
            sim.after(chance.uniform(0, 200), lambda s=service, k=kind, v=value: sim.ask(k, s, v))
    flaky(sim, chance)
    return sim


def flaky(sim: SimWorld, chance: random.Random) -> None:
    """Pauses, freezes, deaths of host part, edge and gate, and crashes, all by chance."""
    crash = random.Random(chance.random())
    sim.journal.crash_after = lambda _: crash.random() < 0.03
    for attribute in ("gone", "edge_gone", "gate_gone"):
        start, length = chance.uniform(0, 200), chance.uniform(0, 40)
        setattr(sim.host, attribute, lambda a=start, b=length: a <= sim.seconds() < a + b)
    for kind in (ControlKind.PAUSE, ControlKind.FREEZE):
        start = chance.uniform(0, 150)
        sim.after(start, lambda k=kind, b=start: standing(sim, k, b + 30))
    if chance.random() < 0.3:
        sim.after(chance.uniform(20, 200), lambda: sim.ask(ControlKind.ABORT, sim.wave.name))


def standing(sim: SimWorld, kind: ControlKind, until: float) -> None:
    control = sim.ask(kind, "*")
    sim.after(until, lambda: sim.end(control))


@pytest.mark.parametrize("seed", range(12))
def test_a_seeded_fleet_keeps_every_invariant_and_ends(seed: int) -> None:
    sim = fleet(seed)
    result = sim.drive_through_crashes()
    states = Counter(row.state for row in sim.journal.rows.values())
    live = {row.state for row in sim.journal.rows.values() if row.live}
    assert live <= {State.STUCK, State.PLANNED}
    assert State.PLANNED not in live or result.stopped
    assert sum(states.values()) == len(sim.moves)
    failed = sum(row.counts for row in sim.journal.rows.values())
    assert (result.exit == Exit.DONE) == (states == {State.FINISHED: len(sim.moves)})
    assert failed == result.of(State.FELL_BACK) or failed


def test_the_same_seed_gives_the_same_journal() -> None:
    first, second = fleet(3), fleet(3)
    first.drive_through_crashes()
    second.drive_through_crashes()
    assert first.journal.entries == second.journal.entries
