"""The transition table as data: total, every state reachable and able to end, no way back past finishing, cell by cell."""

import itertools

import pytest

from rollout.model.state import EXCEPT, FINAL, PATHS, TABLE, Cell, Event, Path, State, cell

F, A, S = State.FELL_BACK, State.ABORTED, State.SKIPPED
FB, STUCK, STAY = State.FALLING_BACK, State.STUCK, None
ONWARD, REFUSED, QUEUED, APPROVED = "onward", "refused", "queued", "approved"
Expected = tuple[object, ...] | str | None
COLUMNS = (
    Event.FAILED,
    Event.BOTH_LOST,
    Event.PAUSE,
    Event.CLOSED,
    Event.BUDGET,
    Event.HOLD_OVER,
    Event.ABORT,
    Event.FAIL,
    Event.REVERT,
    Event.PIN,
    Event.OWNER,
    Event.REMOVE,
)
FAIL_F, ASKED, FREE, CALL = (FB, F, "counts", "blocks"), (FB, F, "blocks"), (FB, A), (STUCK, F, "counts", "blocks")
DESIGN: dict[State, tuple[Expected, ...]] = {
    # state: failed, both die, pause, closed, budget, hold over, abort, fail, revert, pin, owner, remove
    State.PLANNED: ((S,), (S,), STAY, STAY, STAY, STAY, (S,), (S, "counts", "blocks"), STAY, (S,), (S,), (S,)),
    State.PUBLISHING: (FAIL_F, CALL, STAY, STAY, FREE, STAY, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.LAUNCHING: (FAIL_F, CALL, STAY, STAY, FREE, STAY, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.GAP: (FAIL_F, CALL, STAY, STAY, STAY, STAY, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.PROVING: (FAIL_F, CALL, STAY, STAY, FREE, FREE, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.SHIFTING: (FAIL_F, CALL, STAY, (State.PROVING,), STAY, FREE, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.BAKING: (FAIL_F, CALL, STAY, (State.PROVING,), STAY, FREE, FREE, FAIL_F, ASKED, FREE, FREE, FREE),
    State.WARM: (
        FAIL_F, CALL, STAY, STAY, STAY, STAY, STAY, FAIL_F, ASKED, FREE,
        (State.FINISHING, "queued"), (State.FINISHING, "queued"),
    ),
    State.FINISHING: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, REFUSED, QUEUED, QUEUED, QUEUED, QUEUED),
    State.FINISHED: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, REFUSED, QUEUED, QUEUED, QUEUED, QUEUED),
    State.FALLING_BACK: (
        (STUCK, "counts"), (STUCK, "counts"), STAY, STAY, STAY, STAY, STAY, STAY, (None, F, "blocks"), QUEUED, QUEUED, QUEUED,
    ),
    State.STUCK: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, (FB, F, "blocks"), QUEUED, QUEUED, (A,)),
    State.FELL_BACK: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, QUEUED, QUEUED, QUEUED),
    State.ABORTED: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, QUEUED, QUEUED, QUEUED),
    State.SKIPPED: (STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, QUEUED, QUEUED, QUEUED),
}  # fmt: skip


def shape(found: Cell) -> Expected:
    if found == Cell():
        return None
    if found.refused:
        return REFUSED
    if found.queued and found.to is None:
        return QUEUED
    marks = tuple(name for name in ("counts", "blocks", "queued") if getattr(found, name))
    ends = (found.end,) if found.end else ()
    return (found.to, *ends, *marks)


@pytest.mark.parametrize("state", list(State))
def test_every_cell_is_that_of_the_design(state: State) -> None:
    assert [shape(cell(Path.OVERLAP, state, event)) for event in COLUMNS] == list(DESIGN[state])


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(State)
    assert all(set(row) == set(Event) for row in TABLE.values())


def next_states(path: Path, state: State) -> set[State]:
    found: set[State] = set()
    for event in Event:
        here = cell(path, state, event)
        if here.to:
            found.add(here.to)
        if here.onward and state is State.FALLING_BACK:
            found |= {State.FELL_BACK, State.ABORTED}
        elif here.onward:
            order = PATHS[path]
            found.add(order[order.index(state) + 1])
    return found


def reachable(path: Path, start: State) -> set[State]:
    seen, front = {start}, [start]
    while front:
        for state in next_states(path, front.pop()) - seen:
            seen.add(state)
            front.append(state)
    return seen


@pytest.mark.parametrize("path", list(Path))
def test_every_state_of_a_path_is_reached_and_can_end(path: Path) -> None:
    states = reachable(path, State.PLANNED)
    assert set(PATHS[path]) | {FB, STUCK, F, A, S} <= states
    for state in states - FINAL:
        assert reachable(path, state) & FINAL, state


@pytest.mark.parametrize("path", list(Path))
def test_nothing_goes_back_past_finishing(path: Path) -> None:
    assert reachable(path, State.FINISHING) == {State.FINISHING, State.FINISHED}
    for state in FINAL:
        assert next_states(path, state) == set()


def test_ok_follows_the_path_and_only_that() -> None:
    for path, order in PATHS.items():
        for state, following in itertools.pairwise(order):
            assert cell(path, state, Event.OK).onward, (path, state)
            assert following in next_states(path, state)


def test_a_gap_has_no_safe_point_inside() -> None:
    for state in (State.GAP, State.PROVING, State.SHIFTING, State.BAKING):
        for event in (Event.PAUSE, Event.CLOSED, Event.BUDGET):
            assert cell(Path.RECREATE, state, event).to is None


def test_nothing_stops_the_way_back() -> None:
    stoppers = (Event.PAUSE, Event.CLOSED, Event.BUDGET, Event.HOLD_OVER)
    assert all(cell(Path.OVERLAP, FB, event) == Cell() for event in stoppers)
    for path in (Path.BACK_OVERLAP, Path.BACK_RECREATE):
        for state in set(PATHS[path]) - {State.PLANNED}:
            assert all(cell(path, state, event).to is None for event in stoppers)


def test_a_back_move_is_neither_counted_nor_blocked_when_it_fails() -> None:
    for path in (Path.BACK_OVERLAP, Path.BACK_RECREATE):
        for state in set(PATHS[path]) - {State.PLANNED, State.FINISHING, State.FINISHED}:
            found = cell(path, state, Event.FAILED)
            assert (found.to, found.end, found.counts, found.blocks) == (FB, F, False, False)


def test_exceptions_name_only_cells_that_exist() -> None:
    for path, cells in EXCEPT.items():
        assert all(state in TABLE and event in TABLE[state] for state, event in cells), path


def test_approval_stands_for_what_is_missing_only_above_zero() -> None:
    assert cell(Path.OVERLAP, State.SHIFTING, Event.APPROVE).approves
    assert cell(Path.OVERLAP, State.BAKING, Event.APPROVE).approves
    assert cell(Path.OVERLAP, State.PROVING, Event.APPROVE) == Cell()
    assert cell(Path.OVERLAP, STUCK, Event.APPROVE).to is State.SHIFTING
