"""Reading what a report tells: the moves that were at work in some time, and what each came to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import Session

from rollout.executor.fold import from_body
from rollout.model.move import EntryKind, Move
from rollout.model.state import Event, State
from rollout.store.moves import JOURNAL, text
from rollout.store.moves import TABLE as MOVE
from rollout.store.tables import MAIN

_CHUNK = 500
_SERVICE, _RELEASE = MAIN.tables["service"], MAIN.tables["release"]
_STEPS = (JOURNAL.c.step == "gap", JOURNAL.c.step.like("shift:%"), JOURNAL.c.step.like("undo:%"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An event of the table happened to a move, in `before`, and it stands in `after` since then."""

    at: datetime
    event: Event
    before: State
    after: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A step of a move was begun, or (`done`) has ended well."""

    at: datetime
    step: str
    done: bool


def moves(session: Session, *, since: datetime | None = None, waves: Collection[int] | None = None) -> Sequence[Move]:
    """Moves that have begun, by their last entry; of these waves alone, and only where something was written since then."""
    query = select(MOVE.c.body).join(JOURNAL, JOURNAL.c.seq == MOVE.c.seq).where(MOVE.c.state != State.PLANNED.value)
    if since is not None:
        query = query.where(JOURNAL.c.at >= text(since))
    if waves is not None:
        query = query.where(MOVE.c.wave.in_(list(waves)))
    return [from_body(body) for body in session.execute(query.order_by(MOVE.c.seq)).scalars()]


def turns(session: Session, ids: Collection[str]) -> Mapping[str, Sequence[Turn]]:
    """What each of these moves came to, in the order of time."""
    found: dict[str, list[Turn]] = {}
    columns = (JOURNAL.c.move, JOURNAL.c.at, JOURNAL.c.event, JOURNAL.c.reason, JOURNAL.c.changes)
    for names in _chunks(ids):
        query = select(*columns).where(JOURNAL.c.move.in_(names), JOURNAL.c.event.is_not(None))
        for move, at, event, reason, changes in session.execute(query.order_by(JOURNAL.c.seq)):
            known = found.setdefault(move, [])
            before = known[-1].after if known else State.PLANNED
            after = State(changes.get("state", before))
            known.append(Turn(at=datetime.fromisoformat(at), event=Event(event), before=before, after=after, reason=reason))
    return found


def effects(session: Session, ids: Collection[str]) -> Mapping[str, Sequence[Effect]]:
    """The steps of these moves that take a service away or bring it back, in the order of time."""
    found: dict[str, list[Effect]] = {}
    columns = (JOURNAL.c.move, JOURNAL.c.at, JOURNAL.c.step, JOURNAL.c.kind)
    for names in _chunks(ids):
        query = select(*columns).where(JOURNAL.c.move.in_(names), or_(*_STEPS), JOURNAL.c.event.is_(None))
        for move, at, step, kind in session.execute(query.order_by(JOURNAL.c.seq)):
            done = kind == EntryKind.OUTCOME.value
            found.setdefault(move, []).append(Effect(at=datetime.fromisoformat(at), step=step, done=done))
    return found


def secrets(session: Session, services: Collection[str]) -> Mapping[str, frozenset[str]]:
    """The values of all variables that these services have, or had in a release."""
    found: dict[str, set[str]] = {service: set() for service in services}
    for names in _chunks(services):
        present = select(_SERVICE.c.id, _SERVICE.c.env).where(_SERVICE.c.id.in_(names))
        former = select(_RELEASE.c.service, _RELEASE.c.env).where(_RELEASE.c.service.in_(names))
        for query in (present, former):
            for service, env in session.execute(query):
                found[service].update(env.values())
    return {service: frozenset(values) for service, values in found.items()}


def _chunks(names: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
