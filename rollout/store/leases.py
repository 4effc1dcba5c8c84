"""Leases in the store: who drives what. Numbers come from one sequence and only grow: they are the fence."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlmodel import Session

from rollout.errors import FencedError, UsageError
from rollout.executor.locked import locked
from rollout.executor.ports import LEASE_S
from rollout.model.lease import Holder, Lease
from rollout.model.plain import from_plain, to_plain
from rollout.store import audit, bulk, counters
from rollout.store.database import Database
from rollout.store.tables import MAIN

TABLE = MAIN.tables["lease"]
_NUMBER = select(TABLE.c.number).where(TABLE.c.subject == bindparam("on"))
_NEWER = select(TABLE.c.subject, TABLE.c.number).where(
    TABLE.c.subject.like("service:%"), TABLE.c.number > bindparam("than"), TABLE.c.expires > bindparam("at")
)


class StoreLeases:
    """The leases of one store. `alive`: whether the process of a holder lives, as far as can be known from here."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], alive: Callable[[Holder], bool], *, lasts_s: float = LEASE_S
    ) -> None:
        self._database = database
        self._now = now
        self._alive = alive
        self._lasts = timedelta(seconds=lasts_s)

    def take(self, subject: str, holder: Holder) -> Lease:
        """A new lease with the next number; LockedError where a live holder has it."""
        with self._database.writing() as session:
            now = self._now()
            present = get(session, subject)
            if present is not None and self._is_live(present, now):
                raise locked(present)
            number = counters.next(session, counters.LEASE)
            lease = Lease(number=number, subject=subject, holder=holder, heartbeat=now, expires=now + self._lasts)
            session.execute(delete(TABLE).where(TABLE.c.subject == subject))
            session.execute(insert(TABLE).values(**_columns(lease), subject=subject, number=number, holder=to_plain(holder)))
            return lease

    def renew(self, lease: Lease) -> Lease:
        """Heartbeat; FencedError when it is not ours any more."""
        with self._database.writing() as session:
            now = self._now()
            check(session, lease)
            kept = Lease(
                number=lease.number,
                subject=lease.subject,
                holder=lease.holder,
                heartbeat=now,
                expires=now + self._lasts,
            )
            session.execute(update(TABLE).where(TABLE.c.number == lease.number).values(**_columns(kept)))
            return kept

    def give_back(self, lease: Lease) -> None:
        """The subject is free. Idempotent."""
        with self._database.writing() as session:
            session.execute(delete(TABLE).where(TABLE.c.number == lease.number))

    def held(self) -> Sequence[Lease]:
        """All leases that have not expired, by number."""
        with self._database.reading() as session:
            query = select(TABLE).where(TABLE.c.expires > _text(self._now())).order_by(TABLE.c.number)
            return [_lease(row) for row in session.execute(query)]

    def unlock(self, number: int, *, who: str, why: str) -> Lease:
        """The lease is gone, and its driver can change nothing more. LockedError for a live one, UsageError for none."""
        with self._database.writing() as session:
            row = session.execute(select(TABLE).where(TABLE.c.number == number)).first()
            if row is None:
                raise UsageError(f"there is no lease {number}", then="rollout status")
            lease, now = _lease(row), self._now()
            if self._is_live(lease, now):
                raise locked(lease)
            session.execute(delete(TABLE).where(TABLE.c.number == number))
            line = audit.Line(who=who, what="unlock", subject=lease.subject, why=why, before={"lease": to_plain(lease)})
            audit.append(session, line, now)
            return lease

    def _is_live(self, lease: Lease, now: datetime) -> bool:
        return lease.expires > now and self._alive(lease.holder)


def get(session: Session, subject: str) -> Lease | None:
    """The lease on a subject, expired or not."""
    row = session.execute(select(TABLE).where(TABLE.c.subject == subject)).first()
    return _lease(row) if row else None


def check(session: Session, lease: Lease) -> None:
    """FencedError when the lease is not ours any more. Part of the caller's transaction: this is the fence."""
    if [row.number for row in bulk.find(session, _NUMBER, on=lease.subject)] != [lease.number]:
        present = get(session, lease.subject)
        by = f"lease {present.number} of {present.holder.user}" if present else "nobody: it was unlocked"
        state = "it goes on with its new driver, nothing of it is lost" if present else "it stands where it was"
        raise FencedError(f"{lease.subject}: taken over by {by}", state=state, then="rollout status")


def newer_on_services(session: Session, lease: Lease, now: datetime) -> dict[str, int]:
    """Services on which a live lease with a higher number stands, and that number."""
    found = bulk.find(session, _NEWER, than=lease.number, at=_text(now))
    return {row.subject.removeprefix("service:"): row.number for row in found}


def _columns(lease: Lease) -> dict[str, str]:
    return {"heartbeat": _text(lease.heartbeat), "expires": _text(lease.expires)}


def _lease(row: Row[Any]) -> Lease:
    return Lease(
        number=row.number,
        subject=row.subject,
        holder=from_plain(Holder, row.holder),
        heartbeat=datetime.fromisoformat(row.heartbeat),
        expires=datetime.fromisoformat(row.expires),
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
