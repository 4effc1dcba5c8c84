"""What a move came to, from its turns and its steps: counts, causes, and gaps that are never told shorter than they were."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import Event, State
from rollout.operations.course import Mark, counted, fallback, gaps
from rollout.store.reported import Effect, Turn

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def move(state: State, *, back: bool = False, alone: bool = False) -> Move:
    sides = (RuntimeName.V2, RuntimeName.LEGACY) if back else (RuntimeName.LEGACY, RuntimeName.V2)
    wave = -3 if back else 3
    strategy = Strategy.RECREATE if alone else Strategy.OVERLAP
    source, target = sides
    return Move(
        id="m", service="shop/a", wave=wave, source=source, target=target, strategy=strategy, since=NOW, state=state, reason="row"
    )


def turns(*states: State, event: Event = Event.OK, reason: str = "") -> list[Turn]:
    """One second between each; the event and the reason are those of the first that turns back."""
    found, before, said = [], State.PLANNED, False
    for second, after in enumerate(states):
        turns_back = after in {State.FALLING_BACK, State.STUCK} and not said
        said = said or turns_back
        what = (event, reason) if turns_back else (Event.OK, "")
        found.append(Turn(at=at(second), event=what[0], before=before, after=after, reason=what[1]))
        before = after
    return found


UP = (State.LAUNCHING, State.SHIFTING, State.BAKING, State.WARM)


@pytest.mark.parametrize(
    ("states", "back", "said"),
    [
        (UP, False, [(3, Mark.MOVED, 1)]),
        ((*UP, State.FINISHING, State.FINISHED), False, [(3, Mark.MOVED, 1)]),
        ((State.GAP, State.FINISHING, State.FINISHED), False, [(1, Mark.MOVED, 1)]),
        ((*UP, State.FALLING_BACK, State.FELL_BACK), False, [(3, Mark.MOVED, 1), (5, Mark.FELL_BACK, -1)]),
        ((State.LAUNCHING, State.FALLING_BACK, State.FELL_BACK), False, [(2, Mark.FELL_BACK, 0)]),
        ((State.LAUNCHING, State.FALLING_BACK, State.ABORTED, State.ABORTED), False, [(2, Mark.BROUGHT_BACK, 0)]),
        ((State.SKIPPED,), False, []),
        ((State.LAUNCHING, State.FINISHING, State.FINISHED, State.FINISHED), True, [(2, Mark.REVERTED, -1)]),
        ((State.LAUNCHING, State.FALLING_BACK, State.FELL_BACK), True, []),
    ],
)
def test_each_move_counts_once_and_what_comes_back_is_taken_off(
    states: Sequence[State], back: bool, said: list[tuple[int, Mark, int]]
) -> None:
    found = [(one.at, one.mark, one.gained) for one in counted(move(states[-1], back=back), turns(*states))]
    assert found == [(at(second), mark, gained) for second, mark, gained in said]


@pytest.mark.parametrize(
    ("event", "reason", "cause"),
    [
        (Event.FAILED, "traffic: v2 failed 4 of 15", "traffic gate"),
        (Event.FAILED, "no module named app", "failed while launching"),
        (Event.FAILED, "trafficking: x", "failed while launching"),
        (Event.REVERT, "traffic: so I think", "reverted by a person"),
        (Event.HOLD_OVER, "", "held too long"),
    ],
)
def test_a_cause_is_the_sort_of_the_reason(event: Event, reason: str, cause: str) -> None:
    known = turns(State.LAUNCHING, State.FALLING_BACK, State.FELL_BACK, event=event, reason=reason)
    found = fallback(move(State.FELL_BACK), known)
    assert found is not None
    assert (found.cause, found.reason, found.at, found.back_s) == (cause, reason or "row", at(1), 1.0)


def test_stuck_is_told_before_it_is_back_and_what_goes_on_is_no_fallback() -> None:
    stuck = fallback(move(State.STUCK), turns(State.LAUNCHING, State.STUCK, event=Event.BOTH_LOST, reason="health: 503"))
    assert stuck is not None
    assert (stuck.state, stuck.back_s) == (State.STUCK, None)
    through = turns(State.LAUNCHING, State.STUCK, State.FALLING_BACK, State.FELL_BACK, event=Event.BOTH_LOST, reason="x")
    once = fallback(move(State.FELL_BACK), through)
    assert once is not None
    assert (once.at, once.back_s) == (at(1), 2.0)
    assert fallback(move(State.SHIFTING), turns(State.LAUNCHING, State.STUCK, State.SHIFTING)) is None
    assert fallback(move(State.WARM), turns(*UP)) is None


def steps(*said: tuple[float, str, bool]) -> list[Effect]:
    return [Effect(at=at(second), step=step, done=done) for second, step, done in said]


DONE = ((1, "gap", False), (3, "gap", True), (7, "shift:100", False), (8, "shift:100", True))
CLOSED = ((1, "gap", False), (2, "gap", False), (9, "undo:launch", False), (10, "undo:gap", False), (15, "undo:gap", True))
TWICE = (*DONE, (20, "undo:shift:100", False), (21, "undo:gap", False), (26, "undo:gap", True), (27, "undo:publish", False))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (DONE, [(7.0, 42.0, True)]),
        (CLOSED, [(14.0, 42.0, True)]),
        (TWICE, [(7.0, 42.0, True), (6.0, None, True)]),
        ((*DONE[:2],), [(59.0, 42.0, False)]),
        ((*DONE[:3],), [(59.0, 42.0, False)]),
        (((1, "undo:publish", False), (2, "undo:publish", True)), []),
        ((), []),
    ],
)
def test_a_gap_lasts_from_the_order_to_stop_to_the_confirmed_switch(
    said: Sequence[tuple[float, str, bool]], found: list[tuple[float, float | None, bool]]
) -> None:
    told = gaps(move(State.GAP, alone=True), steps(*said), 42.0, at(60))
    assert [(gap.seconds, gap.declared_s, gap.end is not None) for gap in told] == found


def test_a_gap_of_a_move_that_ended_without_its_end_is_not_open_for_ever_and_a_way_back_declared_nothing() -> None:
    assert list(gaps(move(State.FELL_BACK, alone=True), steps(*DONE[:2]), 42.0, at(60))) == []
    [gap] = gaps(move(State.FINISHED, back=True, alone=True), steps(*DONE), None, at(60))
    assert (gap.wave, gap.declared_s) == ("back-3", None)
