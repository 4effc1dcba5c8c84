"""Reading what happened: the journal of all moves and the audit lines, by time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, and_, col, func, or_, select

from rollout.model.fleet import RuntimeName
from rollout.model.move import EntryKind
from rollout.store.database import Database
from rollout.store.tables import AuditRow, JournalRow, MoveRow

TRIES = ("deploy", "restart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One line of history. `what` is the verb or the event; `subject` a service id, a wave, or `*`."""

    at: datetime
    who: str
    what: str
    subject: str
    why: str
    source: str
    move: str = ""
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLog:
    """The last lines that a copy wrote before it was stopped, as its move's journal keeps them."""

    move: str
    runtime: RuntimeName
    at: datetime
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far somebody has read."""

    journal: int
    audit: int


class History:
    """Reads of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, *, since: datetime | None, service: str | None, limit: int) -> Sequence[Happening]:
        """Audit lines and transitions, oldest first; where there are more than `limit`, the newest ones."""
        with self._database.reading() as session:
            found = _journal(session, since, service, limit) + _audit(session, since, service, limit)
        return sorted(found, key=lambda h: h.at)[-limit:]

    def end(self) -> "Place":
        """Where the journal and the audit end now."""
        with self._database.reading() as session:
            journal, audit = (session.exec(select(func.max(seq))).one() for seq in (JournalRow.seq, AuditRow.seq))
        return Place(journal=journal or 0, audit=audit or 0)

    def between(self, first: "Place", last: "Place") -> Sequence[Happening]:
        """What was written after the one and not after the other, oldest first."""
        journal = col(JournalRow.seq).between(first.journal + 1, last.journal)
        audit = col(AuditRow.seq).between(first.audit + 1, last.audit)
        with self._database.reading() as session:
            found = _journal(session, None, None, None, journal) + _audit(session, None, None, None, audit)
        return sorted(found, key=lambda h: h.at)

    def kept_log(self, service: str) -> KeptLog | None:
        """The newest log that a move of the service kept as evidence; None where none did."""
        query = select(JournalRow, MoveRow.body).join(MoveRow, col(MoveRow.id) == JournalRow.move)
        failed = query.where(MoveRow.service == service, col(JournalRow.event).is_not(None)).order_by(col(JournalRow.seq).desc())
        with self._database.reading() as session:
            for row, body in session.exec(failed):
                lines = row.evidence.get("log")
                if lines:
                    runtime, at = RuntimeName(body["target"]), datetime.fromisoformat(row.at)
                    return KeptLog(move=row.move, runtime=runtime, at=at, lines=list(lines))
        return None


def failed_deploy(session: Session, service: str) -> AuditRow | None:
    """Its last deploy or restart, where that failed; None where it did not, or there was none."""
    tries = col(AuditRow.what).in_([*TRIES, *(f"{what} failed" for what in TRIES)])
    query = select(AuditRow).where(AuditRow.subject == service, tries).order_by(col(AuditRow.seq).desc()).limit(1)
    last = session.exec(query).first()
    return last if last is not None and last.what not in TRIES else None


def _journal(
    session: Session, since: datetime | None, service: str | None, limit: int | None, *which: ColumnElement[bool]
) -> list[Happening]:
    query = select(JournalRow, MoveRow.service).join(MoveRow, col(MoveRow.id) == JournalRow.move)
    told = col(JournalRow.kind).in_([str(EntryKind.EVENT), str(EntryKind.NOTE)])
    shifted = and_(JournalRow.kind == str(EntryKind.OUTCOME), col(JournalRow.step).like("shift:%"))
    query = query.where(or_(told, shifted, col(JournalRow.event).is_not(None)), *which)
    if since is not None:
        query = query.where(JournalRow.at >= _text(since))
    if service is not None:
        query = query.where(MoveRow.service == service)
    rows = session.exec(query.order_by(col(JournalRow.seq).desc()).limit(limit)).all()
    return [_transition(row, subject) for row, subject in reversed(rows) if not _is_remark(row)]


def _is_remark(row: JournalRow) -> bool:
    """What a move waits for changed, and nothing forbids it: too much for a log."""
    return row.kind == EntryKind.NOTE and "waits_for" in row.changes and not row.changes.get("held_since")


def _transition(row: JournalRow, service: str) -> Happening:
    state = row.changes.get("state")
    what = f"→ {state}" if state else (row.event or _shift(row.step) or row.kind)
    facts: dict[str, object] = {"event": row.event, "state": state, **({"evidence": row.evidence} if row.evidence else {})}
    return Happening(
        at=datetime.fromisoformat(row.at),
        who=row.actor,
        what=what,
        subject=service,
        why=row.reason,
        source="journal",
        move=row.move,
        facts=facts,
    )


def _shift(step: str | None) -> str:
    return f"→ {step.removeprefix('shift:')} %" if step else ""


def _audit(
    session: Session, since: datetime | None, service: str | None, limit: int | None, *which: ColumnElement[bool]
) -> list[Happening]:
    """What people did, and what followed; the transitions themselves are the journal's to tell."""
    query = select(AuditRow).where(col(AuditRow.what).not_like("move %"), *which)
    if since is not None:
        query = query.where(AuditRow.at >= _text(since))
    if service is not None:
        query = query.where(or_(AuditRow.subject == service, AuditRow.subject == f"service:{service}"))
    rows = session.exec(query.order_by(col(AuditRow.seq).desc()).limit(limit)).all()
    return [
        Happening(
            at=datetime.fromisoformat(row.at),
            who=row.who,
            what=row.what,
            subject=row.subject,
            why=row.why,
            source="audit",
            facts={"before": row.before, "after": row.after},
        )
        for row in reversed(rows)
    ]


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
