"""One service through every kind of move, in virtual time."""

from dataclasses import replace

from rollout.executor.result import Until
from rollout.model.fleet import Origin, RuntimeName, Setting
from rollout.model.plan import Strategy
from rollout.model.state import State
from rollout.runtimes.memory import Fault
from tests.sim.simworld import SimWorld


def test_a_good_move_goes_through_every_state_and_is_finished() -> None:
    sim = SimWorld()
    api = sim.add("api")
    result = sim.drive()
    assert sim.state_walk(api) == [
        "planned", "publishing", "launching", "proving", "shifting", "baking", "warm", "finishing", "finished"
    ]  # fmt: skip
    assert result.exit == 0
    assert sim.journal.settings[api] == Setting(runtime=RuntimeName.V2, origin=Origin.ROLLOUT)
    assert [p.runtime for p in sim.journal.placements(api)] == [RuntimeName.V2]
    passed = (sim.clock.now() - sim.row(api).since).total_seconds()
    assert passed >= 0


def test_execute_ends_when_all_are_warm_and_the_next_driver_finishes() -> None:
    sim = SimWorld()
    api = sim.add("api")
    assert sim.drive(Until.WARM).moved == 1
    assert sim.row(api).state is State.WARM
    assert sim.drive().of(State.FINISHED) == 1


def test_recreate_goes_through_one_gap() -> None:
    sim = SimWorld()
    api = sim.add("api", Strategy.RECREATE)
    assert sim.drive().exit == 0
    assert sim.state_walk(api) == ["planned", "publishing", "gap", "proving", "shifting", "baking", "finishing", "finished"]


def test_in_a_gap_v2_has_no_longer_to_come_up_than_the_plan_declared() -> None:
    sim = SimWorld()
    api = sim.add("api", Strategy.RECREATE)
    (release,) = sim.journal.releases[api]
    sim.journal.releases[api] = [replace(release, spec=replace(release.spec, health_timeout_s=7))]
    sim.host.faults[api, RuntimeName.V2] = Fault(hangs=True)
    sim.drive()
    came = {entry.changes["state"]: entry.at for entry in sim.journal.entries if "state" in entry.changes}
    assert 7 <= (came[State.FALLING_BACK] - came[State.GAP]).total_seconds() < 8
    assert sim.row(api).state is State.FELL_BACK


def test_a_finished_service_is_brought_back_and_blocked() -> None:
    for strategy in Strategy:
        sim = SimWorld()
        api = sim.add("api", strategy)
        sim.drive()
        result = sim.drive_back(api)
        assert result.exit == 0
        assert sim.host.weights[api] == {RuntimeName.LEGACY: 100, RuntimeName.V2: 0}
        assert [p.runtime for p in sim.journal.placements(api)] == [RuntimeName.LEGACY]
        assert sim.journal.settings[api] == Setting()
        assert api in sim.journal.blocked
