"""Services as they are listed in bulk: their stored JSON goes out as it is, and is not made into objects on the way."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson
from sqlalchemy import ColumnElement, Text, cast, select
from sqlmodel import Session

from rollout.model.fleet import Tier
from rollout.store.tables import MAIN

SERVICE = MAIN.tables["service"]
PLACEMENT = MAIN.tables["placement"]
_NO_NAMES = "[]"


class Listed(NamedTuple):
    """`spec`: JSON object of all fields but env. `env`: JSON list of its names, which are no secret. `runs_on`: legacy first."""

    id: str
    spec: str
    env: str
    runs_on: tuple[str, ...]
    asked_for_v2: bool


def rows(
    session: Session, *, tiers: Iterable[Tier] = (), environment: str | None = None, customer: str | None = None
) -> Iterator[Listed]:
    """Services in the order of their ids, one by one; only those of the tiers, environment and customer given."""
    wanted = chosen(tiers=tiers, environment=environment, customer=customer)
    placed = _placed(session, wanted)
    texts = (SERVICE.c.id, cast(SERVICE.c.spec, Text), cast(SERVICE.c.env, Text), SERVICE.c.asked_for_v2)
    query = select(*texts).where(*wanted).order_by(SERVICE.c.id).execution_options(yield_per=1000)
    for service, spec, env, asked in session.execute(query):
        names = _NO_NAMES if env == "{}" else orjson.dumps(sorted(orjson.loads(env))).decode()
        yield Listed(service, spec, names, placed.get(service, ()), asked)


def chosen(*, tiers: Iterable[Tier], environment: str | None, customer: str | None) -> list[ColumnElement[bool]]:
    """The conditions that say so; none where nothing is chosen."""
    names = [tier.value for tier in tiers]
    wanted: list[ColumnElement[bool]] = []
    if names:
        wanted.append(SERVICE.c.tier.in_(names))
    if environment is not None:
        wanted.append(SERVICE.c.environment == environment)
    if customer is not None:
        wanted.append(SERVICE.c.customer == customer)
    return wanted


def _placed(session: Session, wanted: list[ColumnElement[bool]]) -> dict[str, tuple[str, ...]]:
    query = select(PLACEMENT.c.service, PLACEMENT.c.runtime).order_by(PLACEMENT.c.runtime)
    if wanted:
        query = query.join(SERVICE, SERVICE.c.id == PLACEMENT.c.service).where(*wanted)
    sides: dict[tuple[str, ...], tuple[str, ...]] = {}
    placed: dict[str, tuple[str, ...]] = {}
    for service, runtime in session.execute(query):
        runs = (*placed.get(service, ()), runtime)
        placed[service] = sides.setdefault(runs, runs)
    return placed
