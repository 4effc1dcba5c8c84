"""Neither side comes up after a gap: legacy is tried again by every driver until it serves, and nothing of it is lost."""

import pytest

from rollout.errors import Exit
from rollout.executor.drive import drive
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.plan import Strategy, Wave
from rollout.model.state import State
from rollout.runtimes.memory import Fault
from tests.sim.simworld import HOLDER, SimWorld

V2, LEGACY = RuntimeName.V2, RuntimeName.LEGACY


def taken(sim: SimWorld, service: str, by: str = "pid 7 (nginx)") -> None:
    for runtime in RuntimeName:
        sim.host.faults[service, runtime] = Fault(launch_fails=f"port 8080 is in use by {by}")


def tries(sim: SimWorld) -> int:
    return sum(entry.step == "undo:gap" and entry.event is None for entry in sim.journal.entries)


@pytest.fixture
def stuck() -> tuple[SimWorld, str]:
    sim = SimWorld()
    api = sim.add("api", strategy=Strategy.RECREATE)
    taken(sim, api)
    result = sim.drive(Until.WARM)
    assert (sim.row(api).state, result.exit, tries(sim)) == (State.STUCK, Exit.STOPPED, 1)
    assert not sim.host.running(api, LEGACY)
    return sim, api


def test_the_next_driver_tries_once_more_and_tells_who_is_in_the_way_now(stuck: tuple[SimWorld, str]) -> None:
    sim, api = stuck
    since = sim.row(api).since
    taken(sim, api, by="pid 8 (redis)")
    assert sim.drive(Until.WARM).exit == Exit.STOPPED
    assert (tries(sim), sim.row(api).since) == (2, since)
    assert "pid 8 (redis)" in sim.row(api).reason
    assert sim.row(api).doing is None
    sim.host.faults.clear()
    sim.drive(Until.WARM)
    assert sim.row(api).state is State.FELL_BACK
    assert sim.host.running(api, LEGACY)
    assert api in sim.journal.blocked
    sim.check_sum()


def test_a_revert_tries_at_once(stuck: tuple[SimWorld, str]) -> None:
    sim, api = stuck
    sim.host.faults.clear()
    before = sim.seconds()
    sim.ask(ControlKind.REVERT, api)
    sim.drive(Until.FINISHED)
    assert sim.row(api).state is State.FELL_BACK
    assert sim.seconds() - before < 10
    assert sim.host.running(api, LEGACY)


def test_who_comes_whenever_it_is_due_brings_it_back_and_writes_little(stuck: tuple[SimWorld, str]) -> None:
    """As the scheduler does."""
    sim, api = stuck
    written = len(sim.journal.entries)
    for _ in range(300):
        assert sim.drive(Until.RESTING).rests
        sim.clock.sleep(1)
    assert 15 <= tries(sim) <= 25
    assert len(sim.journal.entries) - written <= 2 * tries(sim)
    assert sim.state_walk(api)[-1] == "stuck"
    sim.host.faults.clear()
    for _ in range(40):
        sim.drive(Until.RESTING)
        sim.clock.sleep(1)
    assert sim.row(api).state is State.FELL_BACK
    sim.check_sum()


def test_a_back_move_that_is_stuck_leads_to_v2_again() -> None:
    sim = SimWorld()
    api = sim.add("api", strategy=Strategy.RECREATE)
    sim.drive()
    assert sim.row(api).state is State.FINISHED
    taken(sim, api)
    sim.drive_back(api)
    assert sim.row(api, "back-7").state is State.STUCK
    sim.host.faults.clear()
    drive(sim.world(), Wave(number=-7, tier=Tier.TRIAL, moves=()), sim.leases.take("back-7", HOLDER))
    assert sim.row(api, "back-7").state is State.FELL_BACK
    assert sim.host.running(api, V2)
    sim.check_sum()
