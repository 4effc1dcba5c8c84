"""Pins: owners who stay on legacy for a while."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

from rollout.model.fleet import Pin, Tier
from rollout.store import audit, counters
from rollout.store.bulk import OF, find_of
from rollout.store.tables import MAIN, PinRow, ServiceRow

_TABLE = MAIN.tables["pin"]
_OF = columns(_TABLE).where(_TABLE.c.service.in_(OF))


def get(session: Session, service: str) -> Pin | None:
    """The pin of a service, expired or not."""
    row = session.get(PinRow, service)
    return _pin(row) if row else None


def every(session: Session, only: Collection[str] | None = None) -> Mapping[str, Pin]:
    """All pins by service, expired or not; of these services alone where they are named."""
    found = session.exec(select(PinRow)) if only is None else find_of(session, _OF, list(only))
    return {row.service: _pin(row) for row in found}


def holding(session: Session, now: datetime, only: Collection[str] | None = None) -> dict[str, Pin]:
    """The pins that have not expired, by service; of these services alone where they are named."""
    return {service: pin for service, pin in every(session, only).items() if pin.holds(now)}


def of_tier(session: Session, tier: Tier, now: datetime) -> dict[str, Pin]:
    """The pins of the services of a tier that have not expired, by service, in the order of their ids."""
    query = select(PinRow).join(ServiceRow, col(ServiceRow.id) == PinRow.service).where(ServiceRow.tier == tier.value)
    found = (_pin(row) for row in session.exec(query.order_by(col(PinRow.service))))
    return {pin.service: pin for pin in found if pin.holds(now)}


def put(session: Session, pin: Pin, *, who: str, at: datetime) -> bool:
    """The service has this pin; False where it had it already, and it had not expired."""
    before = get(session, pin.service)
    if before == pin and pin.holds(at):
        return False
    session.merge(
        PinRow(
            service=pin.service,
            reason=pin.reason,
            owner=pin.owner,
            created=_text(pin.created) or "",
            expires=_text(pin.expires),
            blocker=pin.blocker,
        )
    )
    line = audit.Line(who=who, what="pin", subject=pin.service, why=pin.reason, before=_audited(before), after=_audited(pin))
    _record(session, line, at)
    return True


def remove(session: Session, service: str, *, who: str, at: datetime, why: str = "") -> bool:
    """The service has no pin; False where it had none."""
    row = session.get(PinRow, service)
    if row is None:
        return False
    session.delete(row)
    _record(session, audit.Line(who=who, what="unpin", subject=service, why=why, before=_audited(_pin(row))), at)
    return True


def _record(session: Session, line: audit.Line, at: datetime) -> None:
    counters.next(session, counters.FLEET_REVISION)
    audit.append(session, line, at)


def _audited(pin: Pin | None) -> dict[str, object]:
    if pin is None:
        return {}
    return {"reason": pin.reason, "owner": pin.owner, "expires": _text(pin.expires), "blocker": pin.blocker}


def _pin(row: PinRow) -> Pin:
    return Pin(
        service=row.service,
        reason=row.reason,
        owner=row.owner,
        created=datetime.fromisoformat(row.created),
        expires=datetime.fromisoformat(row.expires) if row.expires else None,
        blocker=row.blocker,
    )


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="microseconds") if moment else None
