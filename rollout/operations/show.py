"""Looking at a stored plan or wave: what it says, what has become of it, which of its rows are stale."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rollout.model.plan import Plan, PlannedMove, Wave
from rollout.model.state import State
from rollout.operations.subject import is_wave, wave_number
from rollout.planner.check import stale
from rollout.store import candidates
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.plans import Plans, StoredPlan
from rollout.store.progress import Progress, WaveFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store knows of a plan beside its bytes."""

    stored: datetime
    stored_by: str
    superseded_by: str | None
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A plan, the waves of it that were asked for, and what has become of them.

    Where one wave was asked for, the plan has this wave alone and no exclusions. `stored` is None for a plan that only stands
    in a file. `states`: of waves, by name. `moves`: of services whose move has a row. `stale`: of services whose move has not
    begun, what changed since planning.
    """

    plan: Plan
    waves: tuple[Wave, ...]
    stored: Stored | None
    states: Mapping[str, str]
    moves: Mapping[str, State]
    stale: Mapping[str, str]


def show(database: Database, name: str, *, as_of: AsOf) -> Shown:
    """A plan by its id, or one wave. UsageError for an unknown name, StaleError where the hash does not match."""
    plans = Plans(database)
    number = wave_number(name) if is_wave(name) else 0
    return _shown(database, plans.wave(number) if number > 0 else plans.get(name), name, as_of)


def of_file(plan: Plan) -> Shown:
    """A plan that was read from a file, by itself."""
    return Shown(plan=plan, waves=plan.waves, stored=None, states={}, moves={}, stale={})


def changed(database: Database, moves: Iterable[PlannedMove], *, as_of: AsOf) -> dict[str, str]:
    """Of these moves, what makes them stale now, by service."""
    planned = {move.service: move for move in moves}
    with database.reading() as session:
        present = candidates.of(session, planned, as_of)
    told = {service: stale(move, present.get(service)) for service, move in planned.items()}
    return {service: reason for service, reason in told.items() if reason is not None}


def _shown(database: Database, stored: StoredPlan, name: str, as_of: AsOf) -> Shown:
    plan = stored.plan
    waves = tuple(wave for wave in plan.waves if name in {wave.name, plan.id})
    progress = Progress(database)
    facts = {wave.name: fact for wave in waves if (fact := progress.wave(wave.number))}
    begun = [wave for wave in waves if wave.name in facts and facts[wave.name].began]
    rows = {move.service: move.state for wave in begun for move in progress.moves(wave.number)}
    waiting = [move for wave in waves if _can_begin(facts.get(wave.name)) for move in wave.moves]
    waiting = [move for move in waiting if rows.get(move.service, State.PLANNED) is State.PLANNED]
    beside = Stored(
        stored=stored.stored,
        stored_by=stored.stored_by,
        superseded_by=stored.superseded_by,
        expired=as_of.now >= plan.expires,
    )
    return Shown(
        plan=plan,
        waves=waves,
        stored=beside,
        states={wave: _told(fact) for wave, fact in facts.items()},
        moves=rows,
        stale=changed(database, waiting, as_of=as_of),
    )


def _can_begin(facts: WaveFacts | None) -> bool:
    return facts is not None and facts.state in {"planned", "running", "stopped"}


def _told(facts: WaveFacts) -> str:
    return f"superseded by {facts.superseded_by}" if facts.superseded_by else facts.state
