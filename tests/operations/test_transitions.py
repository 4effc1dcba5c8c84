"""One value for each change that is worth a line."""

from dataclasses import replace
from datetime import UTC, datetime

from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import Strategy
from rollout.model.state import State
from rollout.operations.transitions import Transitions

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ROW = Move(
    id="wave-3/shop/api",
    service="shop/api",
    wave=3,
    source=RuntimeName.LEGACY,
    target=RuntimeName.V2,
    strategy=Strategy.OVERLAP,
    since=NOW,
)


def told(transitions: Transitions, row: Move, reason: str = "") -> tuple[str, str, str] | None:
    entry = Entry(move=row.id, kind=EntryKind.EVENT, at=NOW, actor="ann", reason=reason)
    found = transitions.of(entry, row)
    return (found.before, found.after, found.reason) if found else None


def test_each_change_of_state_or_weight_is_told_once() -> None:
    transitions = Transitions()
    assert told(transitions, ROW) is None
    assert told(transitions, replace(ROW, state=State.SHIFTING)) == ("planned", "shifting", "")
    assert told(transitions, replace(ROW, state=State.SHIFTING, weight=10)) == ("shifting", "shifting 10 %", "")
    assert told(transitions, replace(ROW, state=State.SHIFTING, weight=10, waits_for="traffic")) is None
    back = replace(ROW, state=State.FALLING_BACK, weight=10)
    assert told(transitions, back, "health: 503") == ("shifting 10 %", "falling_back", "health: 503")


def test_following_begins_where_the_rows_are() -> None:
    transitions = Transitions([replace(ROW, state=State.WARM)])
    assert told(transitions, replace(ROW, state=State.FINISHING)) == ("warm", "finishing", "")
