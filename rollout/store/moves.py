"""Rows of moves and of their journal, in bulk: one statement for a whole group."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy import text as literal
from sqlmodel import Session

from rollout.errors import TakenError
from rollout.executor.crowd import NOBODY, Crowd
from rollout.executor.fold import from_body, told
from rollout.executor.memory import first_due
from rollout.executor.ports import Write
from rollout.model.move import Entry, Move
from rollout.model.state import IN_FLIGHT
from rollout.store import bulk
from rollout.store.encoded import plain_text
from rollout.store.tables import BUSY, MAIN

TABLE = MAIN.tables["move"]
JOURNAL = MAIN.tables["journal"]
_CHANGE = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("key"), TABLE.c.entries == bindparam("known"))
    .values({name: bindparam(f"new_{name}") for name in ("state", "live", "due", "seq", "entries", "body")})
)
_ADD = insert(TABLE)
_NEWEST = select(func.max(JOURNAL.c.seq).label("seq"))
_OTHERS = select(TABLE.c.service, TABLE.c.id).where(TABLE.c.service.in_(bulk.OF), TABLE.c.live == 1)
_BESIDE = select(TABLE.c.body).where(
    literal(BUSY), TABLE.c.state.in_([state.value for state in IN_FLIGHT]), TABLE.c.wave != bindparam("than")
)
_BY_ID = select(TABLE.c.id, TABLE.c.body, TABLE.c.due).where(TABLE.c.id.in_(bulk.OF))
_ENTRY = ("seq", "move", "at", "kind", "step", "event", "actor", "reason", "evidence", "changes", "lease")
_POSTPONE = update(TABLE).where(TABLE.c.id == bindparam("key"), TABLE.c.live == bindparam("on")).values(due=bindparam("new_due"))


def append(session: Session, entries: Sequence[Entry]) -> int:
    """The entries stand in the journal, in order; the seq of the first."""
    if not entries:
        return 0
    first = (bulk.find(session, _NEWEST)[0].seq or 0) + 1
    rows = (
        (
            first + place,
            entry.move,
            text(entry.at),
            str(entry.kind),
            entry.step,
            None if entry.event is None else str(entry.event),
            entry.actor,
            entry.reason,
            plain_text(entry.evidence) if entry.evidence else "{}",
            plain_text(entry.changes) if entry.changes else "{}",
            entry.lease,
        )
        for place, entry in enumerate(entries)
    )
    bulk.insert_rows(session, JOURNAL, _ENTRY, rows)
    return first


def put(session: Session, writes: Sequence[Write], first: int) -> None:
    """Rows are what their last entry made them; `first` is the seq of the first entry.

    TakenError where a row has had other entries than its writer knew.
    """
    known: dict[str, int] = {}
    last: dict[str, tuple[Write, int]] = {}
    for place, write in enumerate(writes):
        known.setdefault(write.row.id, write.row.seq - 1)
        last[write.row.id] = (write, first + place)
    new = [_columns(write, seq) for id, (write, seq) in last.items() if known[id] == 0]
    bulk.run(session, _ADD, new)
    changes = [_change(write, seq, known[id]) for id, (write, seq) in last.items() if known[id] > 0]
    if bulk.run(session, _CHANGE, changes) != len(changes):
        raise TakenError(_foreign(session, {c["key"]: c["new_seq"] for c in changes}, [w for w, _ in last.values()]))


def postpone(session: Session, later: Mapping[str, datetime]) -> None:
    """These rows are to be looked at then."""
    bulk.run(session, _POSTPONE, [{"key": id, "on": 1, "new_due": text(when)} for id, when in later.items()])


def other_live(session: Session, writes: Sequence[Write]) -> dict[str, str]:
    """Services of these writes that have a live move which is none of them, and that move's id."""
    services = sorted({write.row.service for write in writes if write.row.live})
    ours = {write.row.id for write in writes}
    return {row.service: row.id for row in bulk.find_of(session, _OTHERS, services) if row.id not in ours}


def beside(session: Session, wave: int) -> Crowd:
    """What is in flight in all other waves."""
    return NOBODY.and_these(row_of(body) for (body,) in bulk.find(session, _BESIDE, than=wave))


def by_ids(session: Session, ids: Sequence[str]) -> list[Move]:
    """These rows, in the order of the ids."""
    found = {id: row_of(body, due) for id, body, due in bulk.find_of(session, _BY_ID, ids)}
    return [found[id] for id in ids]


def row_of(body: str, due: str | None = None) -> Move:
    """The row from its columns, as the driver gives them."""
    return from_body(orjson.loads(body), datetime.fromisoformat(due) if due else None)


@lru_cache(maxsize=64)
def text(at: datetime) -> str:
    """The time as the store has it."""
    return at.isoformat(timespec="microseconds")


def _columns(write: Write, seq: int) -> dict[str, Any]:
    row = write.row
    state = {name.removeprefix("new_"): value for name, value in _change(write, seq, 0).items() if name.startswith("new_")}
    return {"id": row.id, "service": row.service, "wave": row.wave, "position": row.position, **state}


def _change(write: Write, seq: int, known: int) -> dict[str, Any]:
    row = write.row
    due = first_due(row, write.entry.at)
    return {
        "key": row.id,
        "known": known,
        "new_state": str(row.state),
        "new_live": int(row.live),
        "new_due": text(due) if due else None,
        "new_seq": seq,
        "new_entries": row.seq,
        "new_body": plain_text(told(row)),
    }


def _foreign(session: Session, expected: Mapping[str, int], writes: Sequence[Write]) -> dict[str, str]:
    """Services whose rows did not take the change, because another driver has written them."""
    taken: dict[str, str] = {}
    for write in writes:
        if write.row.id in expected:
            seq = session.execute(select(TABLE.c.seq).where(TABLE.c.id == write.row.id)).scalar_one_or_none()
            if seq != expected[write.row.id]:
                taken[write.row.service] = "taken over by another driver"
    return taken
