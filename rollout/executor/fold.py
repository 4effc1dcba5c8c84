"""State is the journal added up through the one table: `apply` is the only way in which a row comes to be."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any

from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plain import to_plain
from rollout.model.plan import Strategy
from rollout.model.state import PATHS, Cell, Event, State, cell

_CODES: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("since", "mark", "due", "deadline", "held_since", "counted_at", "waits_until"), datetime.fromisoformat),
    **dict.fromkeys(("steps", "begun"), tuple),
    **dict.fromkeys(("state", "end"), {str(state): state for state in State}.__getitem__),
    **dict.fromkeys(("source", "target"), {str(name): name for name in RuntimeName}.__getitem__),
    "strategy": Strategy,
}
_FIELDS = {**dict.fromkeys(f.name for f in fields(Move) if f.name != "due"), **_CODES}
_PLAIN = frozenset({str, int, float, bool, type(None)})
_usual = {f.name: f.default for f in fields(Move) if f.name != "state"}.get
_BLANK = object.__new__(Move).but(
    {
        "id": "",
        "service": "",
        "wave": 0,
        "source": RuntimeName.LEGACY,
        "target": RuntimeName.V2,
        "strategy": Strategy.OVERLAP,
        "since": datetime.min.replace(tzinfo=UTC),
    }
)
"""A row holds what it was told; the rest is what the class has. So a row is small, and quick to copy and to encode."""
CHANGED_BY_EVENTS = frozenset({"state", "end", "counts", "counted_at", "blocks", "queued", "approved"})


def to_body(row: Move) -> dict[str, Any]:
    """The row as plain JSON values: what differs from a new move's, without `due`."""
    return {name: value if type(value) in _PLAIN else to_plain(value) for name, value in told(row).items()}


def told(row: Move) -> dict[str, Any]:
    """As `to_body`, with values as the row has them: what encodes them next knows times, enums and tuples."""
    found = {name: value for name, value in row.__dict__.items() if value is not _usual(name, MISSING)}
    found.pop("due", None)
    return found


def from_body(body: Mapping[str, Any], due: datetime | None = None) -> Move:
    """The inverse of `to_body`. BrokenError where it is of another program."""
    return _BLANK.but({**_decoded(body), "due": due})


def _decoded(changes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {
            name: value if (decode := _FIELDS[name]) is None or value is None else decode(value)
            for name, value in changes.items()
        }
    except KeyError as error:
        raise BrokenError(f"the journal has a field or a value that this program does not know: {error}") from error


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
        return from_body(entry.changes).but({"seq": 1})
    if row is None:
        raise BrokenError(f"the journal of {entry.move} has no beginning")
    changes = _decoded(entry.changes)
    if entry.event is None and not CHANGED_BY_EVENTS.isdisjoint(changes):
        raise BrokenError(f"{entry.move}: entry {row.seq + 1} changes the state without an event")
    if entry.event is not None:
        changes |= _through_table(row, entry, entry.event)
    return row.but({**changes, "due": None, "seq": row.seq + 1})


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
