"""Blocks: services that fell back or were reverted. One with another fingerprint than the service's holds no longer."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from rollout.model.fleet import Block
from rollout.store import audit, counters
from rollout.store.bulk import OF, find, find_of
from rollout.store.tables import MAIN, BlockRow, ServiceRow

_TABLE, _SERVICES = MAIN.tables["block"], MAIN.tables["service"]
_HOLD = select(_TABLE).where(_SERVICES.c.id == _TABLE.c.service, _SERVICES.c.fingerprint == _TABLE.c.fingerprint)
_HOLD_OF = _HOLD.where(_TABLE.c.service.in_(OF))


def get(session: Session, service: str) -> Block | None:
    """The block of a service that still holds: its release and health settings are those of the time of the block."""
    query = select(BlockRow).join(ServiceRow, col(ServiceRow.id) == col(BlockRow.service))
    same = col(ServiceRow.fingerprint) == col(BlockRow.fingerprint)
    row = session.execute(query.where(col(BlockRow.service) == service, same)).scalar_one_or_none()
    return _block(row) if row else None


def every(session: Session, only: Collection[str] | None = None) -> Mapping[str, Block]:
    """All blocks that still hold, by service; of these services alone where they are named."""
    found = find(session, _HOLD) if only is None else find_of(session, _HOLD_OF, list(only))
    return {row.service: _block(row) for row in found}


def put(session: Session, service: str, reason: str, *, who: str, at: datetime) -> None:
    """The service is blocked as it is now: its present fingerprint is stored. Nothing happens where it is unknown."""
    known = session.get(ServiceRow, service)
    if known is None:
        return
    moment = at.isoformat(timespec="microseconds")
    session.merge(BlockRow(service=service, reason=reason, created=moment, fingerprint=known.fingerprint))
    counters.next(session, counters.FLEET_REVISION)
    audit.append(session, audit.Line(who=who, what="block", subject=service, why=reason), at)


def remove(session: Session, service: str, *, who: str, at: datetime, why: str = "") -> bool:
    """The service is not blocked; False where it had no block."""
    row = session.get(BlockRow, service)
    if row is None:
        return False
    session.delete(row)
    counters.next(session, counters.FLEET_REVISION)
    audit.append(session, audit.Line(who=who, what="unblock", subject=service, why=why, before={"reason": row.reason}), at)
    return True


def _block(row: BlockRow) -> Block:
    return Block(
        service=row.service,
        reason=row.reason,
        created=datetime.fromisoformat(row.created),
        fingerprint=row.fingerprint,
    )
