"""Stored plans: their bytes, the numbers of their waves, and which plan took another's place."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from itertools import chain, count, repeat

from sqlalchemy import func, select
from sqlmodel import Session, col

from rollout.errors import StaleError, UsageError
from rollout.model.plain import canonical, to_plain
from rollout.model.plan import Plan, Wave, pace
from rollout.planner.seal import numbered
from rollout.store import audit, counters, displaced, plan_parts
from rollout.store.bulk import insert_rows
from rollout.store.database import Database
from rollout.store.displaced import Displaced
from rollout.store.encoded import Encoded, encode
from rollout.store.tables import MAIN, CounterRow, PlannedRow, PlanRow, WaveRow

WAVE, SEAT, CONTROL = (MAIN.tables[name] for name in ("wave", "planned", "control"))
PLANNED, SUPERSEDED, EXPIRED = "planned", "superseded", "expired"
DIGITS = 9
"""No wave has a number with more."""
MEANT = 200
"""So many names are compared with one that is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """A plan as it was stored. `open`: it has waves that have not begun and can still begin."""

    plan: Plan
    stored: datetime
    stored_by: str
    superseded_by: str | None
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a service stands in the newest wave that it was planned for. `state` is the wave's."""

    wave: int
    plan: str
    state: str
    superseded_by: str | None
    expires: datetime


class Plans:
    """The plans of one home."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def moment(self) -> tuple[int, int]:
        """The fleet's revision, and the number that the next wave will get."""
        with self._database.reading() as session:
            return counters.current(session, counters.FLEET_REVISION), counters.current(session, counters.WAVE) + 1

    def same(self, plan: Plan, now: datetime) -> StoredPlan | None:
        """The open plan that would do exactly this, none of whose waves has begun; None where there is none."""
        with self._database.reading() as session:
            return _same(session, plan.content, now)

    def displaced(self, plan: Plan, now: datetime) -> list[Displaced]:
        """The waves not begun whose place storing `plan` would take. A plan that has expired takes none."""
        with self._database.reading() as session:
            return displaced.find(session, plan, now)

    def store(self, plan: Plan, *, who: str, now: datetime, agreed: Collection[Displaced] | None = None) -> StoredPlan:
        """The plan is stored under the next free wave numbers, and what it displaces is superseded.

        Where an open plan would do exactly the same, that one is returned and nothing is stored. `agreed`: what a person was
        shown that it displaces. ChangedError, and nothing is stored, where one of these has begun since, or where another one
        wants a person's word; None: nobody is asked.
        """
        with self._database.writing() as session:
            present = _same(session, plan.content, now)
            if present is not None:
                return present
            first = counters.current(session, counters.WAVE) + 1
            stored = plan if plan.waves and plan.waves[0].number == first else numbered(plan, first)
            found = displaced.find(session, stored, now)
            if agreed is not None:
                displaced.require_agreement(session, found, agreed)
            _insert(session, stored, who=who, now=now)
            displaced.supersede(session, stored, found, now)
            after = {"waves": [wave.name for wave in stored.waves], "superseded": [f"wave-{d.wave}" for d in found]}
            audit.append(session, audit.Line(who=who, what="plan", subject=stored.id, after=after), now)
            return StoredPlan(plan=stored, stored=now, stored_by=who, superseded_by=None, open=now < stored.expires)

    def get(self, name: str) -> StoredPlan:
        """The plan of that id, or the one that a wave such as `wave-3` belongs to.

        UsageError for an unknown name, StaleError where the stored bytes do not match their hash.
        """
        with self._database.reading() as session:
            row = session.get(PlanRow, _plan_id(session, name))
            if row is None:
                raise _unknown(session, name)
            return _stored(session, row, plan_parts.whole(session, row.id, row.body))

    def wave(self, number: int) -> StoredPlan:
        """The plan of that wave, with this wave alone and without its exclusions. Errors as of `get`."""
        with self._database.reading() as session:
            name = f"wave-{number}"
            row = session.get(PlanRow, _plan_id(session, name))
            if row is None:
                raise _unknown(session, name)
            return _stored(session, row, plan_parts.alone(session, number, row.body))

    def waves(self, plan: str) -> Sequence[int]:
        """The numbers of the plan's waves, in order. UsageError for an unknown plan."""
        with self._database.reading() as session:
            query = select(col(WaveRow.number)).where(col(WaveRow.plan) == plan).order_by(col(WaveRow.position))
            numbers = session.execute(query).scalars().all()
            if not numbers:
                raise _unknown(session, plan)
            return numbers

    def seat(self, service: str) -> Seat | None:
        """The newest wave that the service was planned for."""
        query = (
            select(WaveRow, col(PlanRow.expires))
            .join(PlannedRow, col(PlannedRow.wave) == col(WaveRow.number))
            .join(PlanRow, col(PlanRow.id) == col(WaveRow.plan))
            .where(col(PlannedRow.service) == service)
            .order_by(col(WaveRow.number).desc())
            .limit(1)
        )
        with self._database.reading() as session:
            found = session.execute(query).first()
        if found is None:
            return None
        wave, expires = found
        return Seat(
            wave=wave.number,
            plan=wave.plan,
            state=wave.state,
            superseded_by=wave.superseded_by,
            expires=datetime.fromisoformat(expires),
        )


def require_usable(stored: StoredPlan, now: datetime) -> None:
    """StaleError where no wave of the plan can begin any more: superseded (names the successor), expired, or used up."""
    plan = stored.plan
    if stored.superseded_by:
        raise StaleError(f"{plan.id} was superseded by {stored.superseded_by}", then=f"rollout show {stored.superseded_by}")
    if now >= plan.expires:
        raise StaleError(f"{plan.id} expired on {plan.expires:%Y-%m-%d %H:%M} UTC", then="rollout plan")
    if not stored.open:
        raise StaleError(f"{plan.id} is used up: all of its waves have begun", then="rollout status, or rollout plan")


def _insert(session: Session, plan: Plan, *, who: str, now: datetime) -> None:
    at = _text(now)
    session.add(
        PlanRow(
            id=plan.id,
            sha256=plan.sha256,
            content=plan.content,
            created=_text(plan.created),
            expires=_text(plan.expires),
            body=canonical(replace(plan, waves=(), excluded=())).decode(),
            stored=at,
            stored_by=who,
        )
    )
    session.flush()
    state = PLANNED if now < plan.expires else EXPIRED
    waves = (
        (each.number, plan.id, position, each.tier.value, len(each.moves), state, False, _body(each, plan))
        for position, each in enumerate(plan.waves)
    )
    insert_rows(session, WAVE, ("number", "plan", "position", "tier", "size", "state", "detached", "body"), waves)
    plan_parts.put(session, plan)
    seats = (zip(repeat(each.number), count(), [move.service for move in each.moves]) for each in plan.waves)
    insert_rows(session, SEAT, ("wave", "position", "service"), chain.from_iterable(seats))
    session.merge(CounterRow(name=counters.WAVE, value=plan.waves[-1].number))


def _body(wave: Wave, plan: Plan) -> Encoded:
    return encode({"pace": to_plain(pace(wave, plan.policy)), **({"boarding": True} if wave.boarding else {})})


def _same(session: Session, key: str, now: datetime) -> StoredPlan | None:
    query = select(PlanRow).where(col(PlanRow.content) == key, col(PlanRow.expires) > _text(now))
    for row in session.execute(query.order_by(col(PlanRow.stored).desc())).scalars():
        states = set(session.execute(select(col(WaveRow.state)).where(col(WaveRow.plan) == row.id)).scalars())
        if states == {PLANNED}:
            return _stored(session, row, plan_parts.whole(session, row.id, row.body))
    return None


def _plan_id(session: Session, name: str) -> str:
    number = name.removeprefix("wave-")
    if name == number or not number.isdecimal() or len(number) > DIGITS:
        return name
    return session.execute(select(col(WaveRow.plan)).where(col(WaveRow.number) == int(number))).scalar_one_or_none() or ""


def _unknown(session: Session, name: str) -> UsageError:
    last = session.execute(select(func.max(col(WaveRow.number)))).scalar_one_or_none()
    told = name or "plan with an empty name"
    newest = session.execute(select(col(PlanRow.id)).order_by(col(PlanRow.stored).desc()).limit(1)).scalar_one_or_none()
    if newest is None:
        return UsageError(f"there is no {told}: nothing has been planned", then="rollout plan")
    near = [] if name.removeprefix("wave-").isdecimal() else get_close_matches(name, _names(session, last or 0), n=1)
    if near:
        return UsageError(f"there is no {told}; did you mean {near[0]}?", then=f"rollout show {near[0]}")
    return UsageError(f"there is no {told}; there are wave-1 to wave-{last}", then=f"rollout show {newest}")


def _names(session: Session, last: int) -> list[str]:
    """The newest plans and waves by name: as many as a person may have meant."""
    plans = session.execute(select(col(PlanRow.id)).order_by(col(PlanRow.stored).desc()).limit(MEANT)).scalars()
    return [*plans, *(f"wave-{number}" for number in range(last, max(0, last - MEANT), -1))]


def _stored(session: Session, row: PlanRow, plan: Plan) -> StoredPlan:
    waiting = select(col(WaveRow.number)).where(col(WaveRow.plan) == row.id, col(WaveRow.state) == PLANNED)
    return StoredPlan(
        plan=plan,
        stored=datetime.fromisoformat(row.stored),
        stored_by=row.stored_by,
        superseded_by=row.superseded_by,
        open=session.execute(waiting).first() is not None,
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
