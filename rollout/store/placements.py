"""Placements: what should run where, and its share of traffic."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Row, bindparam, delete, insert, select, update
from sqlmodel import Session

from rollout.model.fleet import Placement, RuntimeName
from rollout.store import bulk, counters
from rollout.store.tables import MAIN

TABLE = MAIN.tables["placement"]
_HERE = (TABLE.c.service == bindparam("of")) & (TABLE.c.runtime == bindparam("on"))
_WEIGH = update(TABLE).where(_HERE).values(weight=bindparam("share"))
_DROP = delete(TABLE).where(_HERE)
_ADD = insert(TABLE)
_OF = select(TABLE).where(TABLE.c.service.in_(bulk.OF)).order_by(TABLE.c.runtime)


def of(session: Session, service: str) -> Sequence[Placement]:
    """Where a service should run: none, one side, or both while it moves (legacy first)."""
    rows = session.execute(select(TABLE).where(TABLE.c.service == service).order_by(TABLE.c.runtime))
    return [_placement(row) for row in rows]


def of_many(session: Session, services: Sequence[str]) -> Mapping[str, Sequence[Placement]]:
    """Placements of these services, of each legacy first; services that run nowhere are left out."""
    found: defaultdict[str, list[Placement]] = defaultdict(list)
    for row in bulk.find_of(session, _OF, services):
        found[row.service].append(_placement(row))
    return found


def every(session: Session) -> Mapping[str, Sequence[Placement]]:
    """All placements, by service."""
    found: defaultdict[str, list[Placement]] = defaultdict(list)
    for row in session.execute(select(TABLE).order_by(TABLE.c.service, TABLE.c.runtime)):
        found[row.service].append(_placement(row))
    return found


def put(session: Session, placements: Sequence[Placement]) -> None:
    """Each stands for its service and runtime, in the place of what stood there. The fleet has a new revision."""
    if not placements:
        return
    _drop(session, [(placement.service, placement.runtime) for placement in placements])
    rows = [
        {
            "service": placement.service,
            "runtime": placement.runtime.value,
            "release": placement.release,
            "token": placement.token,
            "replicas": placement.replicas,
            "weight": placement.weight,
            "since": placement.since.isoformat(timespec="microseconds"),
        }
        for placement in placements
    ]
    bulk.run(session, _ADD, rows)
    counters.next(session, counters.FLEET_REVISION)


def weigh(session: Session, weights: Sequence[tuple[str, RuntimeName, int]]) -> None:
    """These placements have these shares of traffic (percent); nothing where there is none."""
    bulk.run(session, _WEIGH, [{"of": service, "on": str(runtime), "share": weight} for service, runtime, weight in weights])


def remove(session: Session, *places: tuple[str, RuntimeName]) -> None:
    """The services should not run there. Idempotent."""
    if places:
        _drop(session, places)
        counters.next(session, counters.FLEET_REVISION)


def _drop(session: Session, places: Sequence[tuple[str, RuntimeName]]) -> None:
    bulk.run(session, _DROP, [{"of": service, "on": runtime.value} for service, runtime in places])


def _placement(row: Row[tuple[object, ...]]) -> Placement:
    return Placement(
        service=row.service,
        runtime=RuntimeName(row.runtime),
        release=row.release,
        token=row.token,
        replicas=row.replicas,
        weight=row.weight,
        since=datetime.fromisoformat(row.since),
    )
