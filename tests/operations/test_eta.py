"""Estimates: what they rest on, when nobody can know, and how far they are off in virtual time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from rollout.executor.ports import Control, ControlKind
from rollout.executor.result import Until
from rollout.model.lease import Holder
from rollout.model.move import Entry, Move
from rollout.model.plan import pace
from rollout.model.state import State
from rollout.operations.eta import Eta, Known, Measured, Unsure, of_move, of_wave
from rollout.operations.scene import Scene
from rollout.store.watched import Mark
from tests.cli.scenes import NOW, PACE, move, status
from tests.sim.simworld import SimWorld

PLANNED = Known(pace=PACE, measured=Measured())
"""Three steps of 30 s, a bake of 300 s, and so at most 41 s from launch to healthy."""


def walked(*marks: tuple[str, float, State], held: tuple[str, ...] = ()) -> Measured:
    found = Measured()
    for number, (name, seconds, state) in enumerate(marks):
        at = NOW + timedelta(seconds=seconds)
        found.feed([Mark(number=number, move=name, at=at, state=state, held=False)])
        if name in held:
            found.feed([Mark(number=number, move=name, at=at, state=None, held=True)])
    return found


def test_a_move_takes_what_the_plan_says_where_nothing_is_measured() -> None:
    assert of_move(move("a", State.LAUNCHING, ago=11), PLANNED, NOW) == Eta(seconds_left=30 + 90 + 300, bound=True)
    assert of_move(move("a", State.SHIFTING, 10, step=1, ago=10), PLANNED, NOW) == Eta(seconds_left=20 + 30 + 300)
    assert of_move(move("a", State.SHIFTING, 100, step=3), PLANNED, NOW) == Eta(seconds_left=300)
    assert of_move(move("a", State.BAKING, 100, ago=120), PLANNED, NOW) == Eta(seconds_left=180)


def test_what_lasts_longer_than_it_should_is_expected_to_last_as_long_again() -> None:
    assert of_move(move("a", State.BAKING, 100, ago=350), PLANNED, NOW) == Eta(seconds_left=50)


def test_time_in_which_the_move_was_held_does_not_count() -> None:
    assert of_move(move("a", State.BAKING, 100, ago=350, held_s=100), PLANNED, NOW) == Eta(seconds_left=50)
    held = move("a", State.BAKING, 100, held_since=NOW)
    assert of_move(held, PLANNED, NOW) == Eta(unsure=Unsure.HELD)


@pytest.mark.parametrize("state", [State.WARM, State.FINISHED, State.FALLING_BACK, State.FELL_BACK, State.STUCK])
def test_what_is_warm_over_or_on_its_way_back_has_no_estimate(state: State) -> None:
    assert of_move(move("a", state), PLANNED, NOW) is None


def test_measured_states_take_the_place_of_what_was_planned() -> None:
    shown = walked(("a", 0, State.PUBLISHING), ("a", 1, State.LAUNCHING), ("a", 5, State.PROVING), ("a", 7, State.SHIFTING))
    assert of_move(move("b", State.LAUNCHING, ago=1), Known(pace=PACE, measured=shown), NOW) == Eta(seconds_left=3 + 2 + 90 + 300)


def test_states_in_which_a_move_was_held_or_fell_back_measure_nothing() -> None:
    held = walked(("a", 0, State.LAUNCHING), ("a", 500, State.PROVING), held=("a",))
    fell = walked(("a", 0, State.LAUNCHING), ("a", 1, State.FALLING_BACK), ("a", 90, State.FELL_BACK))
    assert held.typical(State.LAUNCHING) is None
    assert fell.typical(State.LAUNCHING) is None


def test_a_wave_waits_for_its_slots() -> None:
    whole = walked(("a", 0, State.PUBLISHING), ("a", 100, State.WARM))
    two = Known(pace=replace(PACE, at_once=2), measured=whole)
    assert of_wave([], 5, two, NOW) == Eta(seconds_left=300)
    assert of_wave([move("b", State.BAKING, ago=290)], 2, two, NOW) == Eta(seconds_left=110)
    assert of_wave([move("b", State.WARM)], 0, two, NOW) is None
    assert of_wave([], 2_000_000, two, NOW) == Eta(seconds_left=pytest.approx(1e8, rel=0.01))


@pytest.mark.parametrize(
    ("because", "unsure"),
    [
        ({"controls": (Control(id=1, kind=ControlKind.PAUSE, subject="*", actor="a", reason="", at=NOW),)}, Unsure.PAUSED),
        ({"controls": (Control(id=1, kind=ControlKind.PAUSE, subject="wave-3", actor="a", reason="", at=NOW),)}, Unsure.PAUSED),
        ({"controls": (Control(id=1, kind=ControlKind.FREEZE, subject="*", actor="a", reason="", at=NOW),)}, Unsure.FROZEN),
        ({"pace": replace(PACE, approvals=1)}, Unsure.APPROVAL),
        ({"state": "stopped"}, Unsure.STOPPED),
        ({"driven": False}, Unsure.UNDRIVEN),
    ],
)
def test_where_nobody_can_know_it_says_why(because: dict[str, object], unsure: Unsure) -> None:
    told = status([move("a", State.BAKING, 100)], size=9, **because)  # type: ignore[arg-type]
    assert told.waves[0].eta == Eta(unsure=unsure)
    assert told.items[0].eta == Eta(unsure=unsure)


def test_a_move_that_waits_for_traffic_has_no_estimate() -> None:
    """When traffic comes nobody knows; what proves a copy healthy has a bound."""
    limit = {"waits_for": "traffic on v2 (0 of 20 requests)", "waits_until": NOW + timedelta(minutes=9), "then": "it is held"}
    told = status([move("a", State.SHIFTING, 10, **limit), move("b", State.PROVING, **limit)])
    assert told.items[0].eta == told.waves[0].eta == Eta(unsure=Unsure.QUIET)
    assert told.items[1].eta is not None
    assert told.items[1].eta.seconds_left is not None


def test_the_pause_of_another_wave_changes_nothing() -> None:
    other = Control(id=1, kind=ControlKind.PAUSE, subject="wave-4", actor="a", reason="", at=NOW)
    told = status([move("a", State.BAKING, 100, ago=100)], controls=(other,))
    assert told.waves[0].eta == Eta(seconds_left=200)


def driven(sim: SimWorld, look: Callable[[Scene, float], None]) -> float:
    """How long the wave took until everything was warm; `look` sees the scene after each entry."""
    scene = Scene(holder=Holder(user="ann", host="h", pid=1, started=1.0, doing="demo"), policy=sim.policy)
    scene.plan([sim.wave], "plan-1", sim.clock.now())
    scene.begin(1, sim.clock.now())

    def tell(entry: Entry, row: Move) -> None:
        scene.tell(entry, row)
        look(scene, sim.seconds())

    sim.drive(Until.WARM, tell=tell)
    return sim.seconds()


def test_in_virtual_time_a_wave_ends_about_when_it_was_said_to() -> None:
    sim = SimWorld()
    for number in range(40):
        sim.add(f"s{number:02}")
    assert pace(sim.wave, sim.policy).longest_s == 60
    said: list[tuple[float, Eta]] = []

    def look(scene: Scene, now: float) -> None:
        eta = scene.status(sim.clock.now()).waves[0].eta
        if eta is not None:
            said.append((now, eta))

    took = driven(sim, look)
    first, *_ = said
    assert first[1].bound
    assert first[1].seconds_left is not None
    assert first[1].seconds_left >= took * 0.95
    sure = [(now, eta.seconds_left) for now, eta in said if eta.seconds_left is not None and not eta.bound and now > took / 4]
    assert len(sure) > 50
    assert all(abs(now + seconds - took) < 0.15 * took for now, seconds in sure)


def test_a_scene_is_a_status_that_can_be_drawn() -> None:
    sim = SimWorld()
    sim.add("a")
    scene: list[Scene] = []
    driven(sim, lambda found, _: scene.append(found))
    told = scene[-1].status(sim.clock.now())
    assert [(w.name, w.moved, w.size, w.driven) for w in told.waves] == [("wave-1", 1, 1, True)]
    assert [i.state for i in told.items] == [State.WARM]
    scene[-1].end(1, sim.clock.now())
    assert scene[-1].status(sim.clock.now()).waves[0].state == "ended"
