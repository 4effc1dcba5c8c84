"""Which environments may reach the outside. An environment is what services name as theirs; one without a row is closed."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from rollout.store import audit
from rollout.store.environment_table import EnvironmentRow
from rollout.store.tables import MAIN

SERVICE = MAIN.tables["service"]
TABLE = MAIN.tables["environment"]


def services(session: Session) -> Mapping[str, int]:
    """Every environment that a service is in, by name, with how many are."""
    query = select(SERVICE.c.environment, func.count()).group_by(SERVICE.c.environment).order_by(SERVICE.c.environment)
    return {name: count for name, count in session.execute(query)}


def said(session: Session) -> Mapping[str, bool]:
    """Every environment of which somebody has said it; True: open. Also those that no service is in any more."""
    return {name: egress for name, egress in session.execute(select(TABLE.c.name, TABLE.c.egress).order_by(TABLE.c.name))}


def put(session: Session, name: str, egress: bool, *, who: str, at: datetime) -> bool:
    """It is so from now on; False where it was so before, and nothing was written."""
    row = session.get(EnvironmentRow, name)
    before = row is not None and row.egress
    if before == egress:
        return False
    time = at.isoformat(timespec="microseconds")
    session.merge(EnvironmentRow(name=name, egress=egress, at=time, by=who))
    line = audit.Line(who=who, what="egress", subject=name, before={"egress": before}, after={"egress": egress})
    audit.append(session, line, at)
    return True
