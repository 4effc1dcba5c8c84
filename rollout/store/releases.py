"""Releases: what a service ran and runs. Added by a deploy, never changed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, Select, func, insert, select
from sqlmodel import Session, col

from rollout.model.fleet import Release
from rollout.model.image import ImageDigest, told
from rollout.store import bulk
from rollout.store.spec import from_spec, to_spec
from rollout.store.tables import MAIN, ReleaseRow

TABLE, PLACES = MAIN.tables["release"], MAIN.tables["placement"]
_OTHER = TABLE.alias()
_NEWEST = select(func.max(_OTHER.c.number)).where(_OTHER.c.service == TABLE.c.service).scalar_subquery()
_PLACED = select(PLACES.c.release).where(PLACES.c.service == TABLE.c.service)
_NEEDED = select(TABLE).where(TABLE.c.service.in_(bulk.OF), (TABLE.c.number == _NEWEST) | TABLE.c.number.in_(_PLACED))


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
    found: defaultdict[str, dict[int, Release]] = defaultdict(dict)
    for row in bulk.find_of(session, _NEEDED, services):
        found[row.service][row.number] = _release(row, orjson.loads(row.spec), orjson.loads(row.env))
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
            "image": told(release.spec.image, release.image, whole=True),
            "image_config": release.image.config if release.image else "",
        }
        for release in releases
    ]
    if rows:
        session.connection().execute(insert(TABLE), rows)


def _read(session: Session, query: Select[tuple[object, ...]]) -> Iterator[Release]:
    for row in session.execute(query):
        yield _release(row, row.spec, row.env)


def _release(row: Row[Any], spec: Mapping[str, Any], env: Mapping[str, str]) -> Release:
    return Release(
        service=row.service,
        number=row.number,
        created=datetime.fromisoformat(row.created),
        created_by=row.created_by,
        spec=from_spec(spec, env),
        image=_image(row.image, row.image_config),
    )


def _image(pinned: str, config: str) -> ImageDigest | None:
    return ImageDigest(digest=pinned.rpartition("@")[2], config=config) if pinned else None
