"""Where everything stands: one value that the terminal, the web page and `--json` render."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rollout.executor.ports import Control, ControlKind
from rollout.host.known import Note
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.move import Move
from rollout.model.schedule import Run
from rollout.model.state import FINAL, IN_FLIGHT, MOVED, State
from rollout.operations.eta import Eta
from rollout.operations.schedule import Due
from rollout.operations.subject import is_scheduler, wave_name
from rollout.store.progress import PLACES, Sight, WaveFacts
from rollout.store.watched import Act

SHOWN = (IN_FLIGHT | {State.WARM, State.FINISHING, State.STUCK, State.FELL_BACK}) - {State.PLANNED}
HALTS = frozenset({ControlKind.PAUSE, ControlKind.FREEZE, ControlKind.LIMIT})
LEADS_BACK = frozenset({ControlKind.REVERT, ControlKind.FAIL})
LATE_S = 30.0
ORDER = (
    State.STUCK,
    State.FALLING_BACK,
    State.GAP,
    State.SHIFTING,
    State.BAKING,
    State.PROVING,
    State.LAUNCHING,
    State.PUBLISHING,
    State.FINISHING,
    State.WARM,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A process that drives a wave, or one service."""

    subject: str
    lease: int
    user: str
    host: str
    pid: int
    doing: str
    heartbeat: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Undriven:
    """A wave with work to do that nobody drives. `weights`: how many of its moves have how much traffic on the target."""

    wave: str
    since: datetime
    moves: int
    weights: Mapping[int, int]
    finishing_only: bool
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One service that is moving, or that failed. `weight`: the target's share of traffic in percent.

    What it waits for lasts until `waits_until` at most; what happens `then` is told.
    """

    service: str
    wave: str
    state: State
    weight: int
    target: RuntimeName
    since: datetime
    waits_for: str
    reason: str
    waits_until: datetime | None = None
    then: str = ""
    due: datetime | None = None
    deadline: datetime | None = None
    eta: Eta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveLine:
    """One wave in numbers. `moved`: warm, finishing or finished."""

    name: str
    tier: Tier | None
    state: str
    size: int
    moved: int
    fell_back: int
    counts: Mapping[State, int]
    driven: bool
    detached: bool
    began: datetime | None = None
    eta: Eta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that `rollout status` tells, of one moment. `services`: how many have their traffic where,
    and how many run nowhere; together the fleet.

    `next_run` is scheduled; `missed` runs are those of waves that still wait for one.
    `led_back`: services whose `revert --without-store` the store has not taken over yet; no driver may act for them.
    `pins` and `expired_pins`: services with the pin in words. `down`: no host part runs, so what the host part kept does not.
    `acts`: what people have just done.
    """

    at: datetime
    home: str
    policy: str
    drivers: tuple[Driver, ...]
    undriven: tuple[Undriven, ...]
    halted: tuple[Control, ...]
    failures: tuple[Item, ...]
    waves: tuple[WaveLine, ...]
    items: tuple[Item, ...]
    services: Mapping[str, int]
    blocked: int
    pinned: int
    written_off: bool
    scheduler: bool
    led_back: tuple[Note, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    expired_pins: Mapping[str, str] = field(default_factory=dict)
    acts: tuple[Act, ...] = ()
    next_run: Due | None = None
    missed: tuple[Run, ...] = ()
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the look needs beside the rows. `blocked`: services that may not be planned again, with the reason."""

    home: str
    policy: str
    blocked: Mapping[str, str]
    controls: Sequence[Control]
    alive: Callable[[Holder], bool]
    now: datetime
    pinned: int = 0
    written_off: bool = False
    led_back: Sequence[Note] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    expired_pins: Mapping[str, str] = field(default_factory=dict)
    next_run: Due | None = None
    missed: Sequence[Run] = ()
    down: bool = False


def look(sight: Sight, around: Around) -> Status:
    """The status as of `around.now`."""
    live = [lease for lease in sight.leases if lease.expires > around.now and around.alive(lease.holder)]
    driven = {lease.subject for lease in live}
    if any(is_scheduler(subject) for subject in driven):
        driven |= _resting(sight, around.now)
    drivers = [lease for lease in live if not is_scheduler(lease.subject)]
    return Status(
        at=around.now,
        home=around.home,
        policy=around.policy,
        drivers=tuple(_driver(lease) for lease in drivers),
        undriven=tuple(_undriven(sight, driven, around.now)),
        halted=tuple(c for c in around.controls if c.kind in HALTS),
        failures=tuple(_failures(sight.moves, around.blocked)),
        waves=tuple(_line(wave, sight.counts.get(wave.number, {}), driven) for wave in sight.waves),
        items=tuple(_items(sight.moves, _asked(around.controls))),
        services={place: sight.placed.get(place, 0) for place in PLACES},
        blocked=len(around.blocked),
        pinned=around.pinned,
        written_off=around.written_off,
        scheduler=any(is_scheduler(subject) for subject in driven),
        led_back=tuple(around.led_back),
        pins=around.pins,
        expired_pins=around.expired_pins,
        next_run=around.next_run,
        missed=tuple(around.missed),
        down=around.down,
    )


def _driver(lease: Lease) -> Driver:
    holder = lease.holder
    return Driver(
        subject=lease.subject,
        lease=lease.number,
        user=holder.user,
        host=holder.host,
        pid=holder.pid,
        doing=holder.doing,
        heartbeat=lease.heartbeat,
    )


def _undriven(sight: Sight, driven: set[str], now: datetime) -> list[Undriven]:
    running = {wave.number for wave in sight.waves if wave.state == "running"}
    moving: dict[int, list[Move]] = {number: [] for number in running}
    for move in sight.moves:
        if move.live and f"service:{move.service}" not in driven:
            moving.setdefault(move.wave, []).append(move)
    found = []
    for number, moves in sorted(moving.items()):
        name = wave_name(number)
        active = [m for m in moves if m.state is not State.WARM or _late(m, now)]
        if name not in driven and (active or number in running):
            found.append(_nobody(name, moves, number in running, _last_sign(sight, name, moves, now)))
    return found


def _resting(sight: Sight, now: datetime) -> set[str]:
    """Waves that a scheduler takes up when they are due: of these no move has been due for long."""
    late = {move.wave for move in sight.moves if move.live and _late(move, now)}
    moving = {move.wave for move in sight.moves if move.live} - late
    return {wave_name(number) for number in moving}


def _nobody(name: str, moves: Sequence[Move], running: bool, since: datetime) -> Undriven:
    weights: dict[int, int] = {}
    for move in moves:
        weights[move.weight] = weights.get(move.weight, 0) + 1
    only_warm = not running and all(m.state in {State.WARM, State.FINISHING} for m in moves)
    over = not running and all(m.state in {State.WARM, State.FINISHING, State.STUCK} for m in moves)
    then = "rollout up" if over or not name.startswith("wave-") else f"rollout execute {name}"
    return Undriven(wave=name, since=since, moves=len(moves), weights=weights, finishing_only=only_warm, then=then)


def _late(move: Move, now: datetime) -> bool:
    return move.due is not None and move.due + timedelta(seconds=LATE_S) < now


def _last_sign(sight: Sight, name: str, moves: Sequence[Move], now: datetime) -> datetime:
    beats = [lease.heartbeat for lease in sight.leases if lease.subject == name]
    began = [wave.began for wave in sight.waves if wave.name == name and wave.began]
    return max([*beats, *(move.mark or move.since for move in moves)] or began or [now])


def _failures(moves: Sequence[Move], blocked: Mapping[str, str]) -> list[Item]:
    """Stuck ones first; a service that fell back counts until it is repaired, retried or moved."""
    told: set[str] = set()
    stuck = [m for m in moves if m.state is State.STUCK]
    found = [_item(m) for m in stuck]
    for move in moves:
        if move.state is State.FELL_BACK and move.service in blocked and move.service not in told:
            told.add(move.service)
            found.append(_item(move))
    return found


def _asked(controls: Sequence[Control]) -> Mapping[str, str]:
    """Verbs that lead back and that no driver has obeyed yet, by service."""
    return {c.subject: f"a driver, to {c.kind} as {c.actor} asked: {c.reason}" for c in controls if c.kind in LEADS_BACK}


def _items(moves: Sequence[Move], asked: Mapping[str, str]) -> list[Item]:
    shown = [m for m in moves if m.state not in FINAL and m.state is not State.STUCK]
    return [_item(m, asked.get(m.service, "")) for m in sorted(shown, key=lambda m: (ORDER.index(m.state), m.since, m.service))]


def _item(move: Move, waits_for: str = "") -> Item:
    return Item(
        service=move.service,
        wave=wave_name(move.wave),
        state=move.state,
        weight=move.weight,
        target=move.target,
        since=move.since,
        waits_for=waits_for or move.waits_for,
        reason=move.reason,
        waits_until=None if waits_for else move.waits_until,
        then="" if waits_for else move.then,
        due=move.due,
        deadline=move.deadline,
    )


def _line(wave: WaveFacts, counts: Mapping[State, int], driven: set[str]) -> WaveLine:
    return WaveLine(
        name=wave.name,
        tier=wave.tier,
        state=wave.state,
        size=wave.size,
        moved=sum(counts.get(state, 0) for state in MOVED),
        fell_back=counts.get(State.FELL_BACK, 0),
        counts=counts,
        driven=wave.name in driven,
        detached=wave.detached,
    )
