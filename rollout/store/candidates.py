"""What the planner knows of the fleet, read in a few large queries."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import select, text
from sqlmodel import Session

from rollout.model.fleet import CONTAINERS, EngineName, Kind, Pin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate
from rollout.model.state import State
from rollout.store import blocks, pins, setting
from rollout.store.bulk import OF, find, find_of, tuples
from rollout.store.tables import MAIN

MOVE = MAIN.tables["move"]
SERVICE = MAIN.tables["service"]
PLACEMENT = MAIN.tables["placement"]
RELEASE = MAIN.tables["release"]
BY_ID = attrgetter("id")
_COLUMNS = (
    *("id", "customer", "environment", "tier", "kind", "settings_hash", "engine", "has_command", "only_image"),
    *("fixed_port", "has_volume", "draining_s", "health_timeout_s", "asked_for_v2"),
)
_SERVICES = select(*(SERVICE.c[name] for name in _COLUMNS))
_SERVICES_OF = _SERVICES.where(SERVICE.c.id.in_(OF))
_RUN = select(PLACEMENT.c.service, PLACEMENT.c.runtime, PLACEMENT.c.release).order_by(PLACEMENT.c.runtime)
_RUN_OF = _RUN.where(PLACEMENT.c.service.in_(OF))
_IMAGES = select(RELEASE.c.service, RELEASE.c.number, RELEASE.c.image).where(text("image <> ''"))
"""So written, it is answered by the index that has nothing but images."""
_IMAGES_OF = _IMAGES.where(RELEASE.c.service.in_(OF))
_LIVE = select(MOVE.c.service, MOVE.c.id, MOVE.c.state).where(MOVE.c.live == 1)
_LIVE_OF = _LIVE.where(MOVE.c.service.in_(OF))
_TIERS: Mapping[str, Tier] = {tier.value: tier for tier in Tier}
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind}
_RUNS: Mapping[str, RuntimeName] = {runtime.value: runtime for runtime in RuntimeName}
_NOWHERE: tuple[None, tuple[RuntimeName, ...]] = (None, ())
_IN_CONTAINERS = frozenset(engine.value for engine in CONTAINERS)
_NO_ENGINE = "only an image; the engine process needs a command"


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The time for which pins are judged. `apart`: containers have networks of their own, so that two may have the same port."""

    now: datetime
    apart: bool = False


def every(session: Session, as_of: AsOf) -> list[Candidate]:
    """The whole fleet, in the order of ids.

    Rows come as they stand in the file and are sorted here: SQLite would look for each of a million in another place.
    """
    return sorted(_read(session, as_of, None), key=BY_ID)


def of(session: Session, services: Collection[str], as_of: AsOf) -> dict[str, Candidate]:
    """These services by id; those that are not in the fleet are left out."""
    return {found.id: found for found in sorted(_read(session, as_of, sorted(services)), key=BY_ID)}


def _read(session: Session, as_of: AsOf, only: list[str] | None) -> Iterator[Candidate]:
    beside = _beside(session, as_of, only)
    return _candidates(tuples(session, _SERVICES) if only is None else find_of(session, _SERVICES_OF, only), beside)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands in other tables than the service's own. `runs`: which release is to be moved, and where it runs."""

    settings: Mapping[str, Setting]
    default: Setting
    runs: Mapping[str, tuple[int, tuple[RuntimeName, ...]]]
    pins: Mapping[str, Pin]
    blocks: Mapping[str, str]
    moving: Mapping[str, str]
    apart: bool
    images: Mapping[tuple[str, int | None], str]


def _beside(session: Session, as_of: AsOf, only: list[str] | None) -> _Beside:
    return _Beside(
        settings=setting.every(session, only),
        default=setting.default(session),
        runs=_runs(session, only),
        pins=pins.holding(session, as_of.now, only),
        blocks={service: block.reason for service, block in blocks.every(session, only).items()},
        moving=_moving(session, only),
        apart=as_of.apart,
        images=_images(session, only),
    )


def _candidates(rows: Iterable[Sequence[Any]], beside: _Beside) -> Iterator[Candidate]:
    """From rows of `_COLUMNS`. Names that many services share stand in memory once, members of enumerations are looked up.

    A candidate's members stand in their order without their names: with names, making a million takes four times as long.
    """
    shared: dict[str, str] = {}
    one, usual = shared.setdefault, beside.default
    images = beside.images
    settings, runs, blocked, moving = beside.settings.get, beside.runs.get, beside.blocks.get, beside.moving.get
    pinned = {service: f"pinned {pin.told}" for service, pin in beside.pins.items()}.get
    for name, customer, place, tier, kind, hashed, engine, command, image, port, volume, drain, health, asked in rows:
        release, runs_on = runs(name, _NOWHERE)
        apart = beside.apart and (engine in _IN_CONTAINERS or bool(image and engine is None))
        yield Candidate(
            name,
            one(customer, customer),
            one(place, place),
            _TIERS[tier],
            _KINDS[kind],
            settings(name, usual),
            hashed,
            release,
            runs_on,
            bool(command),
            bool(port) and not apart,
            bool(volume),
            drain,
            health,
            pinned(name),
            blocked(name),
            moving(name),
            _NO_ENGINE if image and engine == EngineName.PROCESS else None,
            bool(asked),
            images.get((name, release), "") if images else "",
            apart,
        )


def _runs(session: Session, only: list[str] | None) -> Mapping[str, tuple[int, tuple[RuntimeName, ...]]]:
    """By service: its release on legacy, or where it runs on v2 alone the one there; and where it runs, legacy first."""
    alike: dict[tuple[int, str], tuple[int, tuple[RuntimeName, ...]]] = {}
    found: dict[str, tuple[int, tuple[RuntimeName, ...]]] = {}
    for service, runtime, release in tuples(session, _RUN) if only is None else find_of(session, _RUN_OF, only):
        if before := found.get(service):
            found[service] = before[0], (*before[1], _RUNS[runtime])
        else:
            found[service] = alike.setdefault((release, runtime), (release, (_RUNS[runtime],)))
    return found


def _images(session: Session, only: list[str] | None) -> Mapping[tuple[str, int | None], str]:
    """What releases run, as NAME@DIGEST, by service and number; those of commands are not in it."""
    found = tuples(session, _IMAGES) if only is None else find_of(session, _IMAGES_OF, only)
    return {(service, number): image for service, number, image in found}


def _moving(session: Session, only: list[str] | None) -> Mapping[str, str]:
    """Services with a move that has not ended, and where it stands."""
    found = find(session, _LIVE) if only is None else find_of(session, _LIVE_OF, only)
    return {service: _told(move, State(state)) for service, move, state in found}


def _told(move: str, state: State) -> str:
    wave = move.partition("/")[0]
    return f"waits in {wave}, which has begun" if state is State.PLANNED else f"{state.replace('_', ' ')} in {wave}"
