"""A driver that gives its place back while its wave rests: many warm waves need no driver, and each is finished when due."""

from collections import Counter
from dataclasses import replace

import pytest

from rollout.executor.drive import NEAR_S, drive
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until, WaveResult
from rollout.model.plan import Wave
from rollout.model.policy import Concurrency, HealthGate
from rollout.model.state import State
from tests.sim.simworld import HOLDER, POLICY, SimWorld

WAVES = 100
KEPT_S = 1000.0


def warm_waves(sim: SimWorld, count: int) -> dict[int, Wave]:
    waves = {}
    for number in range(1, count + 1):
        sim.number, sim.moves = number, []
        sim.add(f"s{number}")
        waves[number] = sim.wave
        assert sim.drive(Until.WARM).of(State.WARM) == 1
    return waves


def tend(sim: SimWorld, wave: Wave) -> WaveResult:
    """As the scheduler does it."""
    lease = sim.leases.take(wave.name, HOLDER)
    try:
        return drive(sim.world(), wave, lease, until=Until.RESTING)
    finally:
        sim.leases.give_back(lease)


def due(sim: SimWorld) -> list[int]:
    now = sim.clock.now()
    return sorted({row.wave for row in sim.journal.rows.values() if row.live and row.due is not None and row.due <= now})


def test_a_hundred_warm_waves_hold_no_driver_and_each_is_finished_in_time() -> None:
    sim = SimWorld(policy=replace(POLICY, keep_warm_s=KEPT_S, steps=(100,), bake_s=1))
    waves = warm_waves(sim, WAVES)
    sim.policy = replace(sim.policy, health=HealthGate(every_s=60.0))
    assert set(sim.states().values()) == {State.WARM}
    tended: Counter[int] = Counter()
    while any(row.live for row in sim.journal.rows.values()):
        for number in due(sim):
            before = sim.seconds()
            result = tend(sim, waves[number])
            assert not result.rests or sim.seconds() - before <= NEAR_S, "it waited for a time that was not near"
            assert result.rests or result.of(State.FINISHED) == 1
            tended[number] += 1
        assert sim.leases.held() == []
        assert sim.seconds() < 3 * KEPT_S
        sim.clock.sleep(1.0)
    assert set(sim.states().values()) == {State.FINISHED}
    assert set(tended) == set(waves)
    sim.check_sum()


@pytest.mark.parametrize(
    ("kind", "end"), [(ControlKind.REVERT, State.FELL_BACK), (ControlKind.FAIL, State.FELL_BACK), (ControlKind.ABORT, State.WARM)]
)
def test_what_is_said_about_a_resting_wave_is_obeyed_when_it_is_taken_up(kind: ControlKind, end: State) -> None:
    sim = SimWorld()
    wave = warm_waves(sim, 1)[1]
    assert tend(sim, wave).rests
    said = sim.ask(kind, "wave-1" if kind is ControlKind.ABORT else "shop/s1")
    before = sim.seconds()
    tend(sim, wave)
    assert sim.states() == {"shop/s1": end}
    assert sim.journal.taken == {said}
    assert sim.seconds() - before <= 2 * NEAR_S


def test_a_wave_with_moves_that_wait_for_room_rests_and_goes_on_when_there_is_some() -> None:
    sim = SimWorld(policy=replace(POLICY, concurrency=Concurrency(total=1)))
    sim.add("a")
    sim.add("b")
    sim.ask(ControlKind.PAUSE, "wave-1")
    before = sim.seconds()
    assert tend(sim, sim.wave).of(State.PLANNED) == 2
    assert sim.seconds() == before
    sim.journal.asked.clear()
    result = tend(sim, sim.wave)
    assert result.of(State.WARM) == 2
    assert result.rests
