"""Who did what and why: one row per change, written in the change's own transaction, each hashed over the one before.

Values of env never stand here: names only.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from rollout.errors import BrokenError
from rollout.model.values import field, value
from rollout.store.bulk import find, insert_rows
from rollout.store.encoded import encode, plain_text
from rollout.store.tables import MAIN, AuditRow

TABLE = MAIN.tables["audit"]
HASHED = ("previous", "at", "who", "what", "subject", "why", "before", "after")
FIRST = "0" * 64
_CHUNK = 1000
_LAST = select(TABLE.c.hash).order_by(TABLE.c.seq.desc()).limit(1)


@value(frozen=True, slots=True, kw_only=True)
class Line:
    """One change. `before` and `after` are plain JSON values; secrets do not belong here."""

    who: str
    what: str
    subject: str
    why: str = ""
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)


def append(session: Session, line: Line, at: datetime) -> None:
    """The line stands at the end of the chain, if the transaction of `session` commits."""
    append_many(session, (line,), at)


def append_many(session: Session, lines: Iterable[Line], at: datetime) -> None:
    """All lines stand at the end of the chain, in order. Bulk: one look at the chain's end, one statement."""
    last = find(session, _LAST)
    previous = last[0].hash if last else FIRST
    insert_rows(session, TABLE, (*HASHED, "hash"), _chained(lines, previous, at.isoformat(timespec="microseconds")))


def read(session: Session, *, subject: str | None = None, limit: int = 100) -> Sequence[AuditRow]:
    """The newest rows, oldest of them first; of one subject where it is given."""
    query = select(AuditRow).order_by(col(AuditRow.seq).desc()).limit(limit)
    if subject is not None:
        query = query.where(col(AuditRow.subject) == subject)
    return list(reversed(session.execute(query).scalars().all()))


def verify(session: Session) -> int:
    """How many rows the chain has, all of them as they were written. BrokenError names the first that is not."""
    previous, count = FIRST, 0
    for row in session.execute(select(AuditRow).order_by(col(AuditRow.seq)).execution_options(yield_per=_CHUNK)).scalars():
        content = (row.previous, row.at, row.who, row.what, row.subject, row.why, encode(row.before), encode(row.after))
        if row.previous != previous or _hash(content) != row.hash:
            told = f"row {row.seq} ({row.at} {row.who} {row.what} {row.subject})"
            raise BrokenError(
                f"the audit was changed: {told} does not follow from the one before",
                then="compare it with a backup of the store",
            )
        previous, count = row.hash, count + 1
    return count


def _chained(lines: Iterable[Line], previous: str, at: str) -> Iterator[tuple[str, ...]]:
    for line in lines:
        hashed = (previous, at, line.who, line.what, line.subject, line.why, _text(line.before), _text(line.after))
        previous = _hash(hashed)
        yield (*hashed, previous)


def _text(value: Mapping[str, object]) -> str:
    return plain_text(value) if value else "{}"


def _hash(hashed: Iterable[str]) -> str:
    """Each text with its length before it, so that no two rows have the same bytes."""
    return hashlib.sha256("".join([f"{len(text)}:{text}" for text in hashed]).encode()).hexdigest()
