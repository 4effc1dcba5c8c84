"""Rows of control: what a person asked for, written in one transaction with its audit line, read again at every tick."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy import select as columns
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from rollout.executor.ports import Control, ControlKind
from rollout.store import audit, bulk
from rollout.store.database import Database
from rollout.store.tables import MAIN, ControlRow

FLEET = "*"
_TABLE, _MOVES = MAIN.tables["control"], MAIN.tables["move"]
_MOVES_HERE = columns(_MOVES.c.id).where(_MOVES.c.wave == bindparam("wave"), _MOVES.c.service == _TABLE.c.subject).exists()
_BEARING = (
    columns(_TABLE)
    .where(_TABLE.c.ended.is_(None), or_(_TABLE.c.until.is_(None), _TABLE.c.until > bindparam("at")))
    .where(or_(_TABLE.c.subject == FLEET, _TABLE.c.subject == bindparam("name"), _MOVES_HERE))
    .order_by(_TABLE.c.id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A control row that is wished for. `subject`: `*`, `wave-3`, or a service id."""

    kind: ControlKind
    subject: str
    actor: str
    reason: str = ""
    until: datetime | None = None
    value: str = ""


class Controls:
    """The table control of one store. Every change has its audit line in the same transaction; both name the host."""

    def __init__(self, database: Database, host: str = "") -> None:
        self._database = database
        self._host = host

    def write(self, ask: Ask, *, now: datetime) -> Control:
        """The row stands. Asking again for what already stands changes nothing and returns the standing row."""
        with self._database.writing() as session:
            standing = session.exec(
                _open(now).where(ControlRow.kind == ask.kind, ControlRow.subject == ask.subject, ControlRow.value == ask.value)
            ).first()
            if standing is not None:
                return to_control(standing)
            row = ControlRow(
                kind=ask.kind,
                subject=ask.subject,
                actor=ask.actor,
                reason=ask.reason,
                at=_text(now),
                until=_text(ask.until) if ask.until else None,
                value=ask.value,
                host=self._host,
            )
            session.add(row)
            session.flush()
            audit.append(session, _line(row, who=ask.actor, why=ask.reason, host=self._host), now)
            return to_control(row)

    def end(self, kind: ControlKind, subject: str, *, by: str, why: str, now: datetime, value: str | None = None) -> int:
        """No row of this kind (and value) on this subject holds any more; how many did. Idempotent."""
        query = _open(now).where(ControlRow.kind == kind, ControlRow.subject == subject)
        with self._database.writing() as session:
            rows = session.exec(query if value is None else query.where(ControlRow.value == value)).all()
            for row in rows:
                row.ended, row.ended_by = _text(now), by
                session.add(row)
                audit.append(session, _line(row, who=by, why=why, host=self._host, ended=True), now)
            return len(rows)

    def standing(self, *, now: datetime) -> Sequence[Control]:
        """All rows that hold now, oldest first."""
        with self._database.reading() as session:
            return [to_control(row) for row in session.exec(_open(now)).all()]

    def one(self, number: int) -> tuple[Control, datetime | None] | None:
        """A row and when it ended (None: it still holds); None for an unknown id."""
        with self._database.reading() as session:
            row = session.get(ControlRow, number)
            if row is None:
                return None
            return to_control(row), datetime.fromisoformat(row.ended) if row.ended else None


def bearing_on(session: Session, wave: int, *, now: datetime) -> list[Control]:
    """Rows that hold now and bear on this wave: of the fleet, of the wave, of services that have a move in it."""
    name = f"wave-{wave}" if wave > 0 else f"back-{-wave}"
    return [to_control(row) for row in bulk.find(session, _BEARING, wave=wave, name=name, at=_text(now))]


def end_taken(session: Session, numbers: Sequence[int], *, by: str, now: datetime) -> None:
    """These rows are obeyed: they do not hold any more. Part of the caller's transaction."""
    for row in session.exec(select(ControlRow).where(col(ControlRow.id).in_(numbers), col(ControlRow.ended).is_(None))).all():
        row.ended, row.ended_by = _text(now), by
        session.add(row)


def to_control(row: ControlRow) -> Control:
    """The row as the engine reads it."""
    return Control(
        id=row.id or 0,
        kind=ControlKind(row.kind),
        subject=row.subject,
        actor=row.actor,
        reason=row.reason,
        at=datetime.fromisoformat(row.at),
        until=datetime.fromisoformat(row.until) if row.until else None,
        value=row.value,
        host=row.host,
    )


def is_open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions for rows that hold now."""
    return col(ControlRow.ended).is_(None), or_(col(ControlRow.until).is_(None), col(ControlRow.until) > _text(now))


def _open(now: datetime) -> SelectOfScalar[ControlRow]:
    return select(ControlRow).where(*is_open(now)).order_by(col(ControlRow.id))


def _line(row: ControlRow, *, who: str, why: str, host: str, ended: bool = False) -> audit.Line:
    stands = {name: value for name, value in (("value", row.value), ("until", row.until)) if value}
    here = {"host": host} if host else {}
    return audit.Line(
        who=who,
        what=f"end {row.kind}" if ended else row.kind,
        subject=row.subject,
        why=why,
        before={"asked": row.at, **stands} if ended else {},
        after=here if ended else {**stands, **here},
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
