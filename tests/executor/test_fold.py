"""State is the journal added up through the one table; an entry that the table does not allow is an error."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.errors import BrokenError
from rollout.executor.enrol import back_row
from rollout.executor.fold import added_up, apply, following, from_body, to_body
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plain import canonical
from rollout.model.plan import Strategy
from rollout.model.state import Event, State

NOW = datetime(2026, 1, 5, tzinfo=UTC)
ROW = Move(
    id="wave-3/shop/api",
    service="shop/api",
    wave=3,
    source=RuntimeName.LEGACY,
    target=RuntimeName.V2,
    strategy=Strategy.OVERLAP,
    since=NOW,
    steps=(1, 50, 100),
)


def entry(kind: EntryKind = EntryKind.EVENT, event: Event | None = None, **changes: object) -> Entry:
    return Entry(move=ROW.id, kind=kind, at=NOW, actor="ann", event=event, changes=changes)


def test_a_body_is_plain_and_comes_back() -> None:
    row = replace(ROW, state=State.SHIFTING, begun=("publish",), mark=NOW, end=State.ABORTED, held_since=NOW, counted_at=NOW)
    assert from_body(to_body(row)) == row
    assert canonical(to_body(row))
    assert "due" not in to_body(replace(row, due=NOW))


def test_an_event_without_its_state_is_refused() -> None:
    with pytest.raises(BrokenError, match="leads to publishing, the journal says planned"):
        apply(ROW, entry(event=Event.OK))


def test_a_state_without_its_event_is_refused() -> None:
    with pytest.raises(BrokenError, match="without an event"):
        apply(ROW, entry(EntryKind.NOTE, state="warm"))


def test_a_journal_begins_once() -> None:
    first = entry(EntryKind.PLANNED, **to_body(ROW))
    with pytest.raises(BrokenError, match="planned twice"):
        added_up([first, first])
    with pytest.raises(BrokenError, match="no beginning"):
        added_up([entry(EntryKind.NOTE)])
    assert added_up([first]) == {ROW.id: replace(ROW, seq=1)}


@pytest.mark.parametrize(("step", "state"), [(0, State.SHIFTING), (1, State.SHIFTING), (2, State.BAKING)])
def test_ok_in_shifting_leads_on_only_from_the_last_step(step: int, state: State) -> None:
    assert following(replace(ROW, state=State.SHIFTING, step=step), Event.OK) is state


def test_ok_depends_on_the_kind_of_move() -> None:
    gap = replace(ROW, strategy=Strategy.RECREATE)
    back = replace(ROW, source=RuntimeName.V2, target=RuntimeName.LEGACY, steps=(100,))
    assert following(replace(gap, state=State.PUBLISHING), Event.OK) is State.GAP
    assert following(replace(gap, state=State.BAKING), Event.OK) is State.FINISHING
    assert following(replace(back, state=State.SHIFTING), Event.OK) is State.FINISHING


def test_falling_back_ends_by_its_cause() -> None:
    reverted = apply(replace(ROW, state=State.WARM), entry(event=Event.REVERT, state="falling_back"))
    aborted = apply(replace(ROW, state=State.PROVING), entry(event=Event.ABORT, state="falling_back"))
    failed = apply(replace(ROW, state=State.BAKING), entry(event=Event.FAILED, state="falling_back"))
    assert [(r.end, r.counts, r.blocks) for r in (reverted, aborted, failed)] == [
        (State.FELL_BACK, False, True),
        (State.ABORTED, False, False),
        (State.FELL_BACK, True, True),
    ]
    assert following(aborted, Event.OK) is State.ABORTED
    then = apply(aborted, entry(event=Event.REVERT))
    assert (then.state, then.end, then.blocks) == (State.FALLING_BACK, State.FELL_BACK, True)


def test_stuck_keeps_the_end_that_falling_back_had() -> None:
    aborted = apply(replace(ROW, state=State.PROVING), entry(event=Event.ABORT, state="falling_back"))
    stuck = apply(aborted, entry(event=Event.SOURCE_LOST, state="stuck"))
    again = apply(stuck, entry(event=Event.OK, state="falling_back"))
    assert (stuck.counts, again.end) == (True, State.ABORTED)


def test_approval_holds_until_the_state_changes() -> None:
    approved = apply(replace(ROW, state=State.SHIFTING), entry(event=Event.APPROVE))
    assert approved.approved
    later = apply(approved, entry(event=Event.OK, state="shifting", step=1))
    assert later.approved
    assert not apply(replace(later, step=2), entry(event=Event.OK, state="baking")).approved


def test_a_back_row_is_the_way_back_of_a_finished_one() -> None:
    done = replace(ROW, state=State.FINISHED, restores="legacy/owner", customer="c1")
    back = back_row(done, number=17, position=0, now=NOW, reason="revert", actor="ann")
    assert (back.id, back.wave, back.source, back.target) == ("back-17/shop/api", -17, RuntimeName.V2, RuntimeName.LEGACY)
    assert (back.steps, back.restores, back.blocks, back.customer) == ((100,), "legacy/owner", True, "c1")
    assert back.token != done.token
