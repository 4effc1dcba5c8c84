"""What somebody who watches needs beside the rows: what people have just done, and how long states have lasted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select

from rollout.executor.ports import ControlKind
from rollout.model.move import EntryKind
from rollout.model.state import State
from rollout.store.database import Database
from rollout.store.tables import AuditRow, JournalRow

SAID = {
    "pause": "paused",
    "end pause": "resumed",
    "freeze": "froze",
    "end freeze": "thawed",
    "resume_budget": "let go on",
    "limit": "limited",
    "approval": "approved",
    "approve": "approved",
    "abort": "aborted",
    "fail": "failed",
    "revert": "reverted",
}
"""What a person did, by the words of the audit. The end of a verb is its driver's doing, not a person's."""
LONGEST = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A person did something: `paused`, `reverted`, … `subject` is a service id, a wave, or `*`. `number` orders them."""

    number: int
    at: datetime
    who: str
    host: str
    what: str
    subject: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A move came to a state (None: it stayed), or was held in it."""

    number: int
    move: str
    at: datetime
    state: State | None
    held: bool


class Watched:
    """Reads of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self) -> int:
        """The number of the newest act, or a higher one."""
        with self._database.reading() as session:
            return session.exec(select(func.max(AuditRow.seq))).one() or 0

    def acts(self, *, since: datetime | None = None, after: int = 0, limit: int = 100) -> Sequence[Act]:
        """What people did after that number and since that time, oldest first; the newest `limit` of it."""
        query = select(AuditRow).where(col(AuditRow.what).in_([*SAID, "owner"]), col(AuditRow.seq) > after)
        if since is not None:
            query = query.where(AuditRow.at >= since.isoformat(timespec="microseconds"))
        with self._database.reading() as session:
            rows = session.exec(query.order_by(col(AuditRow.seq).desc()).limit(limit)).all()
        return [_act(row) for row in reversed(rows)]

    def marks(self, wave: str, *, after: int) -> Sequence[Mark]:
        """What moves of the wave came to after that number, oldest first; the newest LONGEST of it."""
        told = select(JournalRow.seq, JournalRow.move, JournalRow.at, JournalRow.changes).where(
            col(JournalRow.move) >= f"{wave}/",
            col(JournalRow.move) < f"{wave}0",
            col(JournalRow.seq) > after,
            col(JournalRow.kind) != str(EntryKind.INTENT),
        )
        with self._database.reading() as session:
            rows = session.exec(told.order_by(col(JournalRow.seq).desc()).limit(LONGEST)).all()
        return [_mark(seq or 0, move, at, changes) for seq, move, at, changes in reversed(rows)]


def _act(row: AuditRow) -> Act:
    asked = {ControlKind.OWNER.value: f"asked to {row.after.get('value', 'act')}"}
    return Act(
        number=row.seq or 0,
        at=datetime.fromisoformat(row.at),
        who=row.who,
        host=str(row.after.get("host", "")),
        what=asked.get(row.what) or SAID[row.what],
        subject=row.subject.removeprefix("service:"),
        why=row.why,
    )


def _mark(number: int, move: str, at: str, changes: dict[str, object]) -> Mark:
    state = changes.get("state")
    return Mark(
        number=number,
        move=move,
        at=datetime.fromisoformat(at),
        state=State(str(state)) if state else None,
        held=bool(changes.get("held_since")),
    )
