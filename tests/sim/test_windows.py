"""The end of a window, and the next one, in virtual time: safe points, nothing begun that does not fit, the way back free."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rollout.calendar.windows import around
from rollout.errors import Exit
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Strategy
from rollout.model.policy import Concurrency, Overrun
from rollout.model.schedule import Missed, Schedule, Times
from rollout.model.state import State
from rollout.operations.hours import told
from tests.sim.simworld import POLICY, START, SimWorld

NIGHTLY = Times(zone="UTC", window_s=7200, cron="0 9 * * *")
DAY_S = 86400.0


def closes(seconds: float, opens: float = DAY_S):  # type: ignore[no-untyped-def]
    """Open from the start on for so many seconds, and from `opens` on again."""

    def closed(now: datetime, needs: float) -> str | None:
        since = (now - START).total_seconds()
        if since >= opens or since + needs < seconds:
            return None
        return "outside its window" if since >= seconds else "it does not fit"

    return closed


def test_when_its_window_ends_traffic_goes_back_to_zero_and_what_has_not_begun_is_left() -> None:
    sim = SimWorld(policy=replace(POLICY, concurrency=Concurrency(total=1), step_s=100, keep_warm_s=DAY_S))
    api, web = sim.add("api"), sim.add("web")
    sim.after(400, lambda: setattr(sim, "stop", True))
    result = sim.drive(Until.WARM, closed=closes(70))
    assert sim.states() == {api: State.PROVING, web: State.PLANNED}
    assert sim.host.weights[api][RuntimeName.LEGACY] == 100
    assert "outside its window" in sim.row(api).waits_for
    assert result.interrupted

    sim.stop = False
    sim.at.clear()
    sim.clock.sleep(DAY_S)
    assert sim.drive(Until.WARM, closed=closes(70)).exit is Exit.DONE
    assert sim.states() == {api: State.WARM, web: State.WARM}


def test_with_nothing_in_flight_a_driver_ends_with_its_window() -> None:
    sim = SimWorld(policy=replace(POLICY, concurrency=Concurrency(total=1)))
    first, later = sim.add("api"), sim.add("web")
    result = sim.drive(Until.WARM, closed=closes(80))
    assert sim.states() == {first: State.WARM, later: State.PLANNED}
    assert (result.exit, result.waiting) == (Exit.WAITING, ("outside its window",))
    assert sim.seconds() >= 80, "until its end, something that fits could have come"
    assert sim.drive(Until.WARM, closed=closes(80)).exit is Exit.WAITING


def test_a_move_that_does_not_fit_is_not_begun() -> None:
    sim = SimWorld(policy=replace(POLICY, keep_warm_s=DAY_S))
    long = sim.add("long")
    sim.moves[0] = sim.moves[0]._replace(expected_s=500)
    short = sim.add("short")
    result = sim.drive(Until.WARM, closed=closes(300))
    assert sim.states() == {long: State.PLANNED, short: State.WARM}
    assert result.exit is Exit.WAITING


def test_by_its_policy_a_move_holds_its_weight_over_the_end() -> None:
    sim = SimWorld(policy=replace(POLICY, overrun=Overrun.HOLD, step_s=100))
    api = sim.add("api")
    sim.after(300, lambda: setattr(sim, "stop", True))
    sim.drive(Until.WARM, closed=closes(150))
    assert (sim.row(api).state, sim.row(api).weight) == (State.SHIFTING, 50)


def test_a_gap_is_closed_although_the_window_ends_in_it() -> None:
    sim = SimWorld()
    api = sim.add("api", Strategy.RECREATE)
    sim.after(300, lambda: setattr(sim, "stop", True))
    sim.drive(Until.WARM, closed=lambda *_: "outside its window" if "gap" in sim.state_walk(api) else None)
    assert sim.state_walk(api)[-1] == "baking", "it serves again, and goes no step further"
    assert sim.host.running(api, RuntimeName.V2)
    assert sim.host.weights[api][RuntimeName.V2] == 100


@pytest.mark.parametrize("verb", [ControlKind.REVERT, ControlKind.FAIL])
def test_outside_the_window_the_way_back_is_free(verb: ControlKind) -> None:
    sim = SimWorld(policy=replace(POLICY, step_s=100))
    api = sim.add("api")
    sim.after(120, lambda: sim.ask(verb, api))
    result = sim.drive(Until.WARM, closed=closes(70))
    assert sim.states() == {api: State.FELL_BACK}
    assert not result.interrupted


def test_what_is_warm_does_not_finish_outside_the_window() -> None:
    sim = SimWorld()
    api = sim.add("api")
    sim.after(1000, lambda: setattr(sim, "stop", True))
    sim.drive(Until.FINISHED, closed=closes(100))
    assert sim.states() == {api: State.WARM}


@pytest.mark.parametrize(
    ("since_s", "needs_s", "text"),
    [
        (0, 7200, None),
        (0, 7201, "it needs 7201 s and its window ends 2026-01-05 11:00 UTC"),
        (7199, 0, None),
        (7200, 0, "outside its window: it opens 2026-01-06 09:00 UTC"),
    ],
)
def test_what_schedules_say_of_a_moment(since_s: float, needs_s: float, text: str | None) -> None:
    now = START + timedelta(seconds=since_s)
    schedule = Schedule(id=1, wave=1, times=NIGHTLY, missed=Missed.RUN, by="ann", reason="", created=START, settled=START)
    assert told([schedule], around([NIGHTLY], now), now, needs_s) == text
    assert told([], around([], now), now, needs_s) is None
