"""What was moved when, what came back and why, how long anything was away: one value for terminal, page and `--json`."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.errors import StaleError, UsageError
from rollout.model.fleet import Pin, Tier
from rollout.model.masking import mask
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import FINAL, MOVED, State
from rollout.operations import course, numbers
from rollout.operations.course import Counted, Fallback, Gap, Mark
from rollout.operations.numbers import Comparison
from rollout.operations.subject import wave_name
from rollout.store import blocks, pins, plan_parts, reported
from rollout.store.database import Database, Transaction
from rollout.store.plans import Plans
from rollout.store.progress import PLACES, Progress, WaveFacts
from rollout.store.waves import unknown

SLOTS = 48
COMPARED = 500
"""So many services are compared at most, those that changed last: each costs its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the report is about; None: everything."""

    since: datetime | None = None
    plan: str | None = None
    wave: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Moves to v2 that began, by what became of them, and finished moves back. `kept`: warm, legacy still runs."""

    began: int = 0
    moved: int = 0
    kept: int = 0
    fell_back: int = 0
    brought_back: int = 0
    stuck: int = 0
    skipped: int = 0
    under_way: int = 0
    reverted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLine:
    """A wave that began, in numbers. `ended` None: it still runs, or has stopped."""

    name: str
    tier: Tier
    state: str
    size: int
    began: datetime
    ended: datetime | None
    moved: int
    fell_back: int
    brought_back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What happened from `begin` to `end`. `on_v2`: services that had moved by then and had not come back."""

    begin: datetime
    end: datetime
    moved: int
    fell_back: int
    brought_back: int
    reverted: int
    on_v2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A pin, and whether it still holds."""

    service: str
    told: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything, of one moment. `fallbacks` newest first; `gaps` longest first; `causes` most frequent first.

    `services`: of the whole fleet, how many have their traffic where. `waiting`: waves that have not begun. `comparisons` are
    of the newest move of each service that was measured; of the `compared` services that were looked at.
    """

    at: datetime
    home: str
    scope: Scope
    services: Mapping[str, int]
    totals: Totals
    waves: tuple[WaveLine, ...]
    waiting: int
    slots: tuple[Slot, ...]
    causes: tuple[tuple[str, int], ...]
    fallbacks: tuple[Fallback, ...]
    gaps: tuple[Gap, ...]
    overlapping: int
    pins: tuple[Pinned, ...]
    comparisons: tuple[Comparison, ...]
    compared: int


def report(database: Database, scope: Scope, *, home: str, now: datetime) -> Report:
    """The report as of `now`. UsageError for an unknown plan or wave."""
    numbers_of_waves = _waves_of(database, scope)
    sight = Progress(database).sight(states=())
    with database.reading() as session:
        moves = reported.moves(session, since=scope.since, waves=numbers_of_waves)
        turns = reported.turns(session, [move.id for move in moves])
        counts = [one for move in moves for one in course.counted(move, turns.get(move.id, ()))]
        fallen = _fallbacks(session, moves, turns)
        gaps = _gaps(session, moves, now)
        pinned = _pinned(session, now)
    if scope.wave is not None and not moves and scope.wave < 0:
        raise UsageError(f"there is no {wave_name(scope.wave)}", then="rollout status")
    facts = [wave for wave in sight.waves if numbers_of_waves is None or wave.number in numbers_of_waves]
    recent = _recent(moves)
    found = numbers.comparisons(database, recent)
    fallen = [one for one in fallen if _inside(one.at, scope)]
    return Report(
        at=now,
        home=home,
        scope=scope,
        services={place: sight.placed.get(place, 0) for place in PLACES},
        totals=_totals(moves),
        waves=tuple(_lines(facts, moves)),
        waiting=sum(wave.state == "planned" for wave in facts),
        slots=tuple(_slots([one for one in counts if _inside(one.at, scope)])),
        causes=tuple(Counter(one.cause for one in fallen).most_common()),
        fallbacks=tuple(sorted(fallen, key=lambda one: one.at, reverse=True)),
        gaps=tuple(sorted((gap for gap in gaps if _inside(gap.end or now, scope)), key=lambda gap: -gap.seconds)),
        overlapping=sum(move.strategy is Strategy.OVERLAP for move in moves),
        pins=pinned,
        comparisons=tuple(one for one in found if one.legacy_p50_ms is not None or one.v2_p50_ms is not None or one.verdict),
        compared=len(recent),
    )


def _waves_of(database: Database, scope: Scope) -> Collection[int] | None:
    """The waves that the scope names; None where it names none."""
    found = set(Plans(database).waves(scope.plan)) if scope.plan is not None else None
    if scope.wave is None:
        return found
    if scope.wave > 0 and Progress(database).wave(scope.wave) is None:
        with database.reading() as session:
            raise unknown(session, scope.wave)
    if found is not None and scope.wave not in found:
        raise UsageError(f"{wave_name(scope.wave)} is not in {scope.plan}", then=f"rollout show {scope.plan}")
    return {scope.wave}


def _inside(at: datetime, scope: Scope) -> bool:
    return scope.since is None or at >= scope.since


def _totals(moves: Iterable[Move]) -> Totals:
    forward: Counter[State] = Counter()
    reverted = 0
    for move in moves:
        if not move.path.back:
            forward[move.state] += 1
        elif move.state is State.FINISHED:
            reverted += 1
    ends = MOVED | FINAL | {State.STUCK}
    return Totals(
        began=forward.total() - forward[State.SKIPPED],
        moved=sum(forward[state] for state in MOVED),
        kept=forward[State.WARM],
        fell_back=forward[State.FELL_BACK],
        brought_back=forward[State.ABORTED],
        stuck=forward[State.STUCK],
        skipped=forward[State.SKIPPED],
        under_way=sum(count for state, count in forward.items() if state not in ends),
        reverted=reverted,
    )


def _lines(facts: Iterable[WaveFacts], moves: Iterable[Move]) -> Iterable[WaveLine]:
    states: dict[int, Counter[State]] = {}
    for move in moves:
        states.setdefault(move.wave, Counter())[move.state] += 1
    for wave in facts:
        if wave.began is not None and wave.number in states:
            counted = states[wave.number]
            yield WaveLine(
                name=wave.name,
                tier=wave.tier,
                state=wave.state,
                size=wave.size,
                began=wave.began,
                ended=wave.ended,
                moved=sum(counted[state] for state in MOVED),
                fell_back=counted[State.FELL_BACK],
                brought_back=counted[State.ABORTED],
            )


def _slots(counts: Sequence[Counted]) -> Iterable[Slot]:
    """The time from the first to the last of them in at most SLOTS equal parts, of whole seconds."""
    if not counts:
        return
    first, last = min(one.at for one in counts), max(one.at for one in counts)
    length = timedelta(seconds=max(1.0, -((first - last) // timedelta(seconds=SLOTS))))
    parts: dict[int, list[Counted]] = {}
    for one in counts:
        parts.setdefault((one.at - first) // length, []).append(one)
    on_v2 = 0
    for place in range(max(parts) + 1):
        inside = parts.get(place, ())
        marks = Counter(one.mark for one in inside)
        on_v2 += sum(one.gained for one in inside)
        yield Slot(
            begin=first + place * length,
            end=first + (place + 1) * length,
            moved=marks[Mark.MOVED],
            fell_back=marks[Mark.FELL_BACK],
            brought_back=marks[Mark.BROUGHT_BACK],
            reverted=marks[Mark.REVERTED],
            on_v2=on_v2,
        )


def _fallbacks(session: Transaction, moves: Sequence[Move], turns: Mapping[str, Sequence[reported.Turn]]) -> list[Fallback]:
    found = [one for move in moves if not move.path.back and (one := course.fallback(move, turns.get(move.id, ())))]
    newest = {move.service: move for move in moves}
    blocked = blocks.every(session)
    secrets = reported.secrets(session, {one.service for one in found})
    return [
        replace(
            one,
            reason=mask(one.reason, secrets[one.service]),
            afterwards=_afterwards(one, newest[one.service], one.service in blocked),
        )
        for one in found
    ]


def _afterwards(one: Fallback, newest: Move, blocked: bool) -> str:
    """What became of the service; `newest` is its last move in the report."""
    if wave_name(newest.wave) != one.wave:
        return f"{newest.state.replace('_', ' ')} in {wave_name(newest.wave)}"
    if one.state not in FINAL:
        return one.state.replace("_", " ")
    return "blocked" if blocked else "may be planned again"


def _gaps(session: Transaction, moves: Iterable[Move], now: datetime) -> list[Gap]:
    alone = {move.id: move for move in moves if move.path.gap}
    declared: dict[str, float] = {}
    for number in {move.wave for move in alone.values() if move.wave > 0}:
        declared |= _declared(session, number)
    effects = reported.effects(session, alone)
    return [gap for id, move in alone.items() for gap in course.gaps(move, effects.get(id, ()), declared.get(id), now)]


def _declared(session: Transaction, number: int) -> Mapping[str, float]:
    """By move, how long its plan had said the service would be away; nothing where that plan was changed by hand."""
    try:
        wave = plan_parts.wave(session, number)
    except StaleError:
        return {}
    return {f"{wave.name}/{move.service}": move.downtime_s for move in wave.moves}


def _pinned(session: Transaction, now: datetime) -> tuple[Pinned, ...]:
    found = sorted(pins.every(session).items())
    secrets = reported.secrets(session, [service for service, _ in found])

    def told(pin: Pin) -> str:
        return mask(pin.told, secrets[pin.service])

    return tuple(Pinned(service=service, told=told(pin), holds=pin.holds(now)) for service, pin in found)


def _recent(moves: Sequence[Move]) -> Collection[str]:
    """The services that moved to v2 last."""
    recent: dict[str, None] = {}
    for move in reversed(moves):
        if len(recent) < COMPARED and not move.path.back and move.state is not State.SKIPPED:
            recent.setdefault(move.service)
    return list(recent)
