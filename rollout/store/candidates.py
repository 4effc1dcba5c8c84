"""What the planner knows of the fleet, read in a few large queries."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlmodel import Session, col

from rollout.model.fleet import EngineName, Kind, Pin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate
from rollout.model.state import State
from rollout.store import blocks, pins, setting
from rollout.store.tables import MAIN, MoveRow

SERVICE = MAIN.tables["service"]
PLACEMENT = MAIN.tables["placement"]
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """The time for which pins are judged, and the engine of services that name none."""

    now: datetime
    engine: EngineName


def every(session: Session, as_of: AsOf) -> list[Candidate]:
    """The whole fleet, in the order of ids."""
    return _read(session, as_of, None)


def of(session: Session, services: Collection[str], as_of: AsOf) -> dict[str, Candidate]:
    """These services by id; those that are not in the fleet are left out."""
    names = sorted(services)
    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    return {found.id: found for chunk in chunks for found in _read(session, as_of, chunk)}


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands in other tables than the service's own."""

    settings: Mapping[str, Setting]
    default: Setting
    runs: Mapping[str, Mapping[RuntimeName, int]]
    pins: Mapping[str, Pin]
    blocks: Mapping[str, str]
    moving: Mapping[str, str]


def _read(session: Session, as_of: AsOf, only: list[str] | None) -> list[Candidate]:
    beside = _Beside(
        settings=setting.every(session, only),
        default=setting.default(session),
        runs=_runs(session, only),
        pins={service: pin for service, pin in pins.every(session, only).items() if pins.holds(pin, as_of.now)},
        blocks={service: block.reason for service, block in blocks.every(session, only).items()},
        moving=_moving(session, only),
    )
    columns = ("id", "customer", "environment", "tier", "kind", "spec", "settings_hash", "fingerprint", "asked_for_v2")
    query = select(*(SERVICE.c[name] for name in columns)).order_by(SERVICE.c.id)
    if only is not None:
        query = query.where(SERVICE.c.id.in_(only))
    return [_candidate(row, beside, as_of) for row in session.execute(query)]


def _candidate(row: Row[Any], beside: _Beside, as_of: AsOf) -> Candidate:
    spec: Mapping[str, Any] = row.spec
    runs = beside.runs.get(row.id, {})
    pin = beside.pins.get(row.id)
    return Candidate(
        id=row.id,
        customer=row.customer,
        environment=row.environment,
        tier=Tier(row.tier),
        kind=Kind(row.kind),
        setting=beside.settings.get(row.id, beside.default),
        settings_hash=row.settings_hash,
        fingerprint=row.fingerprint,
        release=runs.get(RuntimeName.LEGACY) or next(iter(runs.values()), None),
        runs_on=tuple(runs),
        has_command=bool(spec["command"] or spec["image"]),
        fixed_port=spec["port"] is not None,
        has_volume=bool(spec["volumes"]),
        replicas=spec["replicas"],
        draining_s=spec["draining_s"],
        health_timeout_s=spec["health_timeout_s"],
        pinned=_pinned(pin) if pin else None,
        blocked=beside.blocks.get(row.id),
        moving=beside.moving.get(row.id),
        no_engine=_no_engine(spec, as_of.engine),
        asked_for_v2=row.asked_for_v2,
    )


def _runs(session: Session, only: list[str] | None) -> Mapping[str, Mapping[RuntimeName, int]]:
    query = select(PLACEMENT.c.service, PLACEMENT.c.runtime, PLACEMENT.c.release).order_by(PLACEMENT.c.runtime)
    if only is not None:
        query = query.where(PLACEMENT.c.service.in_(only))
    found: defaultdict[str, dict[RuntimeName, int]] = defaultdict(dict)
    for service, runtime, release in session.execute(query):
        found[service][RuntimeName(runtime)] = release
    return found


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


def _no_engine(spec: Mapping[str, Any], usual: EngineName) -> str | None:
    engine = EngineName(spec["engine"]) if spec["engine"] else usual
    if engine is EngineName.PROCESS and spec["image"] and not spec["command"]:
        return "only an image; the engine process needs a command"
    return None
