"""One value for each change that is worth a line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.cli.ticker import line
from rollout.cli.when import since
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


def test_what_it_waits_for_is_told_once_with_its_end() -> None:
    transitions, ends = Transitions([ROW]), NOW + timedelta(minutes=30)
    quiet = replace(ROW, state=State.SHIFTING, weight=1, waits_for="traffic (0 of 20)", waits_until=ends, then="it is held")
    assert told(transitions, replace(quiet, waits_for="", waits_until=None)) == ("planned", "shifting 1 %", "")
    entry = Entry(move=ROW.id, kind=EntryKind.NOTE, at=NOW, actor="ann")
    found = transitions.of(entry, quiet)
    assert found is not None
    assert (found.before, found.after) == ("shifting 1 %", "shifting 1 %")
    assert (found.waits_for, found.waits_until, found.then) == ("traffic (0 of 20)", ends, "it is held")
    end = f", at most until {since(ends, NOW)}, then it is held"
    assert line(found).plain.endswith(f"shop/api  shifting 1 %: waits for traffic (0 of 20){end}")
    assert transitions.of(entry, replace(quiet, waits_for="traffic (4 of 20)")) is None
    assert transitions.of(entry, replace(quiet, waits_for="an approval")) is not None
    assert told(transitions, replace(quiet, weight=10)) == ("shifting 1 %", "shifting 10 %", "")
    assert transitions.of(entry, replace(quiet, weight=10)) is not None


def test_following_begins_where_the_rows_are() -> None:
    transitions = Transitions([replace(ROW, state=State.WARM)])
    assert told(transitions, replace(ROW, state=State.FINISHING)) == ("warm", "finishing", "")
