"""State is the journal added up through the one table: `apply` is the only way in which a row comes to be."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plain import to_plain
from rollout.model.plan import Strategy
from rollout.model.state import PATHS, Cell, Event, State, cell

_TIMES = frozenset({"since", "mark", "due", "deadline", "held_since", "counted_at"})
_TUPLES = frozenset({"steps", "begun"})
_ENUMS: Mapping[str, type] = {
    "state": State,
    "end": State,
    "source": RuntimeName,
    "target": RuntimeName,
    "strategy": Strategy,
}
_NAMES = tuple(f.name for f in fields(Move) if f.name not in {"due"})
CHANGED_BY_EVENTS = frozenset({"state", "end", "counts", "counted_at", "blocks", "queued", "approved"})


def to_body(row: Move) -> dict[str, Any]:
    """The row as plain JSON values, without `due`."""
    return {name: to_plain(getattr(row, name)) for name in _NAMES}


def from_body(body: Mapping[str, Any], due: datetime | None = None) -> Move:
    """The inverse of `to_body`."""
    return Move(**_decoded(body), due=due)


def _decoded(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in changes.items()}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name in _TUPLES:
        return tuple(value)
    kind = _ENUMS.get(name)
    return kind(value) if kind else value


def following(row: Move, event: Event) -> State:
    """The state that an event leads to."""
    found = cell(row.path, row.state, event)
    if not found.onward:
        return found.to or row.state
    if row.state is State.FALLING_BACK:
        return row.end or State.ABORTED
    if row.state is State.SHIFTING and row.step < len(row.steps) - 1:
        return State.SHIFTING
    path = PATHS[row.path]
    return path[path.index(row.state) + 1]


def apply(row: Move | None, entry: Entry) -> Move:
    """The row after the entry. BrokenError for an entry that the table does not allow."""
    if entry.kind is EntryKind.PLANNED:
        if row is not None:
            raise BrokenError(f"{entry.move} is planned twice in the journal")
        return replace(from_body(entry.changes), seq=1)
    if row is None:
        raise BrokenError(f"the journal of {entry.move} has no beginning")
    changed = _decoded(entry.changes)
    if entry.event is None and CHANGED_BY_EVENTS & set(changed):
        raise BrokenError(f"{entry.move}: entry {row.seq + 1} changes the state without an event")
    if entry.event is not None:
        changed = {**changed, **_through_table(row, entry, entry.event)}
    return replace(row, **changed, due=None, seq=row.seq + 1)


def _through_table(row: Move, entry: Entry, event: Event) -> dict[str, Any]:
    state = following(row, event)
    said = entry.changes.get("state", row.state)
    if said != state:
        raise BrokenError(f"{entry.move}: {event} in {row.state} leads to {state}, the journal says {said}")
    found = cell(row.path, row.state, event)
    approved = found.approves or (row.approved and state is row.state)
    return {"state": state, "approved": approved, **_marks(row, entry, found)}


def _marks(row: Move, entry: Entry, found: Cell) -> dict[str, Any]:
    marks: dict[str, Any] = {"queued": row.queued}
    if found.end is not None:
        marks["end"] = found.end
    if found.counts and not row.counts:
        marks |= {"counts": True, "counted_at": entry.at}
    if found.to in {State.FALLING_BACK, State.STUCK, State.SKIPPED} and found.end is not None:
        marks["blocks"] = found.blocks
    elif found.blocks:
        marks["blocks"] = True
    if found.queued:
        marks["queued"] = entry.changes.get("queued") or str(entry.event)
    return marks


def added_up(entries: Iterable[Entry]) -> Mapping[str, Move]:
    """All rows of a journal, from its entries alone."""
    rows: dict[str, Move] = {}
    for entry in entries:
        rows[entry.move] = apply(rows.get(entry.move), entry)
    return rows
