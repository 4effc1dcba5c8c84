"""What the planner knows of the fleet, read in a few large queries."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlmodel import Session, col

from rollout.model.fleet import EngineName, Kind, Pin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate
from rollout.model.state import State
from rollout.store import blocks, pins, setting
from rollout.store.tables import MAIN, MoveRow

SERVICE = MAIN.tables["service"]
PLACEMENT = MAIN.tables["placement"]
_CHUNK = 500
_AT_ONCE = 1000
_TIERS: Mapping[str, Tier] = {tier.value: tier for tier in Tier}
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
_RUNS: Mapping[tuple[bool, bool], tuple[RuntimeName, ...]] = {
    (False, False): (),
    (True, False): (RuntimeName.LEGACY,),
    (False, True): (RuntimeName.V2,),
    (True, True): (RuntimeName.LEGACY, RuntimeName.V2),
}
"""By whether a service runs on legacy, and on v2."""
_NO_ENGINE = "only an image; the engine process needs a command"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The time for which pins are judged, and the engine of services that name none."""

    now: datetime
    engine: EngineName


def every(session: Session, as_of: AsOf) -> list[Candidate]:
    """The whole fleet, in the order of ids."""
    return list(_read(session, as_of, None))


def of(session: Session, services: Collection[str], as_of: AsOf) -> dict[str, Candidate]:
    """These services by id; those that are not in the fleet are left out."""
    names = sorted(services)
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    return {found.id: found for chunk in chunks for found in _read(session, as_of, chunk)}


def _read(session: Session, as_of: AsOf, only: list[str] | None) -> Iterator[Candidate]:
    beside = _beside(session, as_of, only)
    query = _query() if only is None else _query().where(SERVICE.c.id.in_(only))
    return _candidates(session.execute(query.execution_options(yield_per=_AT_ONCE)), beside, as_of.engine)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands in other tables than the service's own and that of placements. Most services stand in none of them."""

    settings: Mapping[str, Setting]
    default: Setting
    pins: Mapping[str, Pin]
    blocks: Mapping[str, str]
    moving: Mapping[str, str]


def _beside(session: Session, as_of: AsOf, only: list[str] | None) -> _Beside:
    return _Beside(
        settings=setting.every(session, only),
        default=setting.default(session),
        pins={service: pin for service, pin in pins.every(session, only).items() if pins.holds(pin, as_of.now)},
        blocks={service: block.reason for service, block in blocks.every(session, only).items()},
        moving=_moving(session, only),
    )


def _query() -> Select[Any]:
    """One row for each service: the columns that `_candidate` unpacks."""
    legacy, v2 = PLACEMENT.alias("on_legacy"), PLACEMENT.alias("on_v2")
    service = SERVICE.c
    columns = (
        *(service.id, service.customer, service.environment, service.tier, service.kind, service.settings_hash),
        *(service.engine, service.has_command, service.only_image, service.fixed_port, service.has_volume),
        *(service.draining_s, service.health_timeout_s, service.asked_for_v2, legacy.c.release, v2.c.release),
    )
    on_legacy = (legacy.c.service == service.id) & (legacy.c.runtime == RuntimeName.LEGACY.value)
    on_v2 = (v2.c.service == service.id) & (v2.c.runtime == RuntimeName.V2.value)
    return select(*columns).outerjoin(legacy, on_legacy).outerjoin(v2, on_v2).order_by(service.id)


def _candidates(rows: Iterable[Any], beside: _Beside, usual: EngineName) -> Iterator[Candidate]:
    """A million of them: names that many services share stand in memory once, members of enumerations are looked up."""
    shared: dict[str, str] = {}
    for row in rows:
        name, customer, environment, tier, kind, settings, engine, has_command, only_image, *rest = row
        fixed_port, has_volume, draining, health, asked, legacy, v2 = rest
        pin = beside.pins.get(name)
        by_process = only_image and (engine or usual) == EngineName.PROCESS
        yield Candidate(
            id=name,
            customer=shared.setdefault(customer, customer),
            environment=shared.setdefault(environment, environment),
            tier=_TIERS[tier],
            kind=_KINDS[kind],
            setting=beside.settings.get(name, beside.default),
            settings_hash=settings,
            release=legacy or v2,
            runs_on=_RUNS[legacy is not None, v2 is not None],
            has_command=has_command,
            fixed_port=fixed_port,
            has_volume=has_volume,
            draining_s=draining,
            health_timeout_s=health,
            pinned=_pinned(pin) if pin else None,
            blocked=beside.blocks.get(name),
            moving=beside.moving.get(name),
            no_engine=_NO_ENGINE if by_process else None,
            asked_for_v2=asked,
        )


def _moving(session: Session, only: list[str] | None) -> Mapping[str, str]:
    """Services with a move that has not ended, and where it stands."""
    query = select(col(MoveRow.service), col(MoveRow.id), col(MoveRow.state)).where(col(MoveRow.live) == 1)
    if only is not None:
        query = query.where(col(MoveRow.service).in_(only))
    return {service: _told(move, State(state)) for service, move, state in session.execute(query)}


def _told(move: str, state: State) -> str:
    wave = move.partition("/")[0]
    return f"waits in {wave}, which has begun" if state is State.PLANNED else f"{state.replace('_', ' ')} in {wave}"


def _pinned(pin: Pin) -> str:
    until = f"until {pin.expires.date()}" if pin.expires else "with no end"
    blocker = f" (blocker: {pin.blocker})" if pin.blocker else ""
    return f"pinned by {pin.owner} {until}: {pin.reason}{blocker}"
