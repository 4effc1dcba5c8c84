"""Releases: what a service ran and runs. Added by a deploy, never changed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Select, func, insert, select
from sqlmodel import Session, col

from rollout.model.fleet import Release
from rollout.store.spec import from_spec, to_spec
from rollout.store.tables import MAIN, ReleaseRow

TABLE, PLACES = MAIN.tables["release"], MAIN.tables["placement"]
_CHUNK = 500


def get(session: Session, service: str, number: int | None = None) -> Release | None:
    """A release by its number, by default the newest; None where there is none."""
    query = select(TABLE).where(TABLE.c.service == service).order_by(TABLE.c.number.desc()).limit(1)
    if number is not None:
        query = query.where(TABLE.c.number == number)
    return next(_read(session, query), None)


def of(session: Session, service: str, limit: int = 100) -> Sequence[Release]:
    """The releases of a service, the newest first."""
    return list(_read(session, select(TABLE).where(TABLE.c.service == service).order_by(TABLE.c.number.desc()).limit(limit)))


def placed(session: Session) -> Mapping[tuple[str, int], Release]:
    """The releases that should run somewhere, by service and number."""
    here = (PLACES.c.service == TABLE.c.service) & (PLACES.c.release == TABLE.c.number)
    found = _read(session, select(TABLE).where(select(PLACES.c.service).where(here).exists()))
    return {(release.service, release.number): release for release in found}


def of_many(session: Session, services: Sequence[str]) -> Mapping[str, Mapping[int, Release]]:
    """By service and number: the releases that its placements name, and its newest."""
    other = TABLE.alias()
    newest = select(func.max(other.c.number)).where(other.c.service == TABLE.c.service).scalar_subquery()
    placed = select(PLACES.c.release).where(PLACES.c.service == TABLE.c.service)
    found: defaultdict[str, dict[int, Release]] = defaultdict(dict)
    for start in range(0, len(services), _CHUNK):
        here = TABLE.c.service.in_(services[start : start + _CHUNK])
        for release in _read(session, select(TABLE).where(here, (TABLE.c.number == newest) | TABLE.c.number.in_(placed))):
            found[release.service][release.number] = release
    return found


def newest(session: Session) -> Mapping[str, int]:
    """The newest release number of every service that has one."""
    query = select(col(ReleaseRow.service), func.max(col(ReleaseRow.number))).group_by(col(ReleaseRow.service))
    return {service: number for service, number in session.execute(query)}


def add(session: Session, release: Release) -> Release:
    """The release stands under the next number of its service, which the answer has; its own `number` is not looked at."""
    last = select(func.max(TABLE.c.number)).where(TABLE.c.service == release.service)
    numbered = replace(release, number=(session.execute(last).scalar_one_or_none() or 0) + 1)
    add_many(session, [numbered])
    return numbered


def add_many(session: Session, releases: Sequence[Release]) -> None:
    """These releases stand under the numbers that they have. Bulk: one statement."""
    rows = [
        {
            "service": release.service,
            "number": release.number,
            "created": release.created.isoformat(timespec="microseconds"),
            "created_by": release.created_by,
            "spec": to_spec(release.spec),
            "env": dict(release.spec.env),
        }
        for release in releases
    ]
    if rows:
        session.connection().execute(insert(TABLE), rows)


def _read(session: Session, query: Select[tuple[object, ...]]) -> Iterator[Release]:
    for row in session.execute(query):
        yield Release(
            service=row.service,
            number=row.number,
            created=datetime.fromisoformat(row.created),
            created_by=row.created_by,
            spec=from_spec(row.spec, row.env),
        )
