"""Which waves a new plan takes the place of, and that they are superseded."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update
from sqlmodel import Session, col

from rollout.errors import ChangedError
from rollout.executor.ports import ControlKind
from rollout.model.plan import Plan
from rollout.store.bulk import tuples
from rollout.store.controls import is_open
from rollout.store.schedules import scheduled
from rollout.store.tables import MAIN, ControlRow, PlanRow, WaveRow

WAVE, SEAT, CONTROL = (MAIN.tables[name] for name in ("wave", "planned", "control"))
PLANNED, SUPERSEDED = "planned", "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """A wave not begun whose services a new plan takes. `told`: why a person should be asked first; empty where not."""

    wave: int
    plan: str
    told: str = ""


def find(session: Session, plan: Plan, now: datetime) -> list[Displaced]:
    """The waves not begun whose place the plan would take. A plan that has expired takes none."""
    if now >= plan.expires:
        return []
    waiting = select(col(WaveRow.number), col(WaveRow.plan), col(WaveRow.detached)).where(col(WaveRow.state) == PLANNED)
    rows = session.execute(waiting.order_by(col(WaveRow.number))).all()
    if not rows:
        return []
    services = {move.service for wave in plan.waves for move in wave.moves}
    seats = select(SEAT.c.wave, SEAT.c.service).join(WAVE, WAVE.c.number == SEAT.c.wave)
    taken = {wave for wave, service in tuples(session, seats.where(WAVE.c.state == PLANNED)) if service in services}
    held = [(number, old, detached) for number, old, detached in rows if number in taken]
    told = scheduled(session) | _approved(session, [number for number, _, _ in held], now)
    return [
        Displaced(wave=number, plan=old, told=told.get(number) or ("left to the scheduler" if detached else ""))
        for number, old, detached in held
    ]


def require_agreement(session: Session, displaced: Sequence[Displaced], agreed: Collection[Displaced]) -> None:
    """ChangedError where what the plan displaces is not what a person was shown."""
    news = [f"wave-{found.wave} is {found.told} now" for found in displaced if found.told and found not in agreed]
    gone = {found.wave for found in agreed} - {found.wave for found in displaced}
    begun = select(col(WaveRow.number), col(WaveRow.state)).where(col(WaveRow.state) != PLANNED).order_by(col(WaveRow.number))
    news += [f"wave-{number} is {state} now" for number, state in session.execute(begun) if number in gone] if gone else []
    if news:
        what = f"since this plan was made, {' and '.join(news)}"
        raise ChangedError(what, state="the plan was not stored", then="rollout plan")


def supersede(session: Session, plan: Plan, displaced: Sequence[Displaced], now: datetime) -> None:
    """Their waves are superseded, their approvals over; a plan without any wave left that can begin is superseded too."""
    if not displaced:
        return
    at = now.isoformat(timespec="microseconds")
    connection = session.connection()
    taken = update(WAVE).where(WAVE.c.number == bindparam("of")).values(state=SUPERSEDED, superseded_by=plan.id)
    connection.execute(taken, [{"of": found.wave} for found in displaced])
    for old in sorted({found.plan for found in displaced}):
        waiting = select(col(WaveRow.number)).where(col(WaveRow.plan) == old, col(WaveRow.state) == PLANNED)
        if session.execute(waiting).first() is None:
            session.execute(update(PlanRow).where(col(PlanRow.id) == old).values(superseded_by=plan.id))
    approvals = update(CONTROL).where(
        CONTROL.c.kind == ControlKind.APPROVAL.value, CONTROL.c.subject == bindparam("of"), CONTROL.c.ended.is_(None)
    )
    over = approvals.values(ended=at, ended_by=plan.id)
    connection.execute(over, [{"of": f"wave-{found.wave}"} for found in displaced])


def _approved(session: Session, waves: Iterable[int], now: datetime) -> dict[int, str]:
    numbers = {f"wave-{number}": number for number in waves}
    query = select(col(ControlRow.subject), col(ControlRow.actor)).where(
        col(ControlRow.kind) == ControlKind.APPROVAL.value, *is_open(now)
    )
    people: dict[int, list[str]] = {}
    for subject, actor in session.execute(query.order_by(col(ControlRow.id))):
        if subject in numbers:
            people.setdefault(numbers[subject], []).append(actor)
    return {number: f"approved by {', '.join(names)}" for number, names in people.items()}
