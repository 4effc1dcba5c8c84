"""Executing a wave: may it begin, drive it, and what it left behind."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from rollout.errors import Exit
from rollout.executor.drive import drive
from rollout.executor.ports import Control, ControlKind
from rollout.executor.result import WaveResult
from rollout.model.fleet import Tier
from rollout.model.move import Move
from rollout.model.policy import Policy
from rollout.model.state import MOVED, State
from rollout.operations import hours
from rollout.operations.back import carry_out
from rollout.operations.hours import within
from rollout.operations.means import Means
from rollout.operations.order import Cause, Obstacle, TierLeft, obstacles, refuse, refuse_what_is_over
from rollout.operations.runs import taken_up
from rollout.operations.saying import Say
from rollout.operations.settling import FELL, done, settle
from rollout.operations.subject import SCHEDULER
from rollout.store import pins
from rollout.store.controls import Ask
from rollout.store.progress import WaveFacts
from rollout.store.schedules import Schedules
from rollout.store.waves import ENDED, PLANNED, StoredWave

POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a person wants a wave executed."""

    reason: str = ""
    out_of_order: bool = False
    wait: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One service that did not move, and why."""

    service: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveReport:
    """What a wave left behind. `stale`: rows that changed since planning, left for the next plan.

    `begun`: the wave has begun, now or before. `scheduler`: one runs, which goes on with what has begun and nobody drives.
    `pinned`: other services of the tier that stay on legacy by their owners' wish, each with the pin in words.
    """

    wave: str
    tier: Tier
    exit: Exit
    moved: int
    size: int
    warm: int
    warm_until: datetime | None
    counts: Mapping[State, int]
    fell: Sequence[Ending]
    stale: Sequence[Ending]
    waiting: Sequence[str] = ()
    lost: Mapping[str, str]
    queued: Mapping[str, str]
    interrupted: bool = False
    begun: bool = True
    scheduler: bool = False
    detached: bool = False
    again: bool = False
    pinned: Mapping[str, str] = field(default_factory=dict)


Left = Callable[[Policy], Mapping[Tier, TierLeft]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is the same for every wave at one moment: read once for many of them."""

    waves: Sequence[WaveFacts]
    controls: Sequence[Control]


def present(means: Means) -> Present:
    """This moment."""
    return Present(waves=means.progress.waves(), controls=means.controls.standing(now=means.clock.now()))


def standing_obstacles(
    means: Means, wave: StoredWave, order: Order, left: Left, *, over: Collection[int] = (), at: Present | None = None
) -> list[Obstacle]:
    """What stands against the wave now, or `at` a moment, if the waves `over` were over."""
    at = at or present(means)
    first = [entry.tier for entry in wave.policy.tiers][:1] == [wave.facts.tier]
    ordered = wave.facts.state == PLANNED and not order.out_of_order and not wave.wave.boarding and not first
    outside = hours.obstacle(means.database, wave.facts.number, wave.facts.name, means.clock.now())
    return outside + obstacles(
        wave,
        waves=[facts for facts in at.waves if facts.number not in over],
        left=left(wave.policy) if ordered else {},
        controls=at.controls,
        out_of_order=order.out_of_order,
    )


def check(means: Means, number: int, order: Order, left: Left) -> StoredWave:
    """The wave, if it can be executed: not over (StaleError), not driven (LockedError), nothing in its way (WaitingError).

    An ended wave is returned as it is; `--wait` and `--detach` pass by what would only be waited for.
    """
    wave = means.waves.get(number)
    if wave.facts.state == ENDED:
        return wave
    refuse_what_is_over(wave, means.clock.now())
    if order.wait and _tended(means, wave.facts.name):
        return wave
    if not order.wait and not order.detach:
        refuse(wave, hours.obstacle(means.database, number, wave.facts.name, means.clock.now()))
    means.refuse_if_driven(wave.facts.name)
    if not order.wait and not order.detach:
        refuse(wave, standing_obstacles(means, wave, order, left))
    return wave


def execute(means: Means, wave: StoredWave, order: Order, *, left: Left, told: Say) -> WaveReport:
    """Drive the wave until every move is warm or has ended. `told` hears what is waited for, once per change.

    LockedError when somebody else drives it; the same command resumes after any interruption.
    """
    if wave.facts.state == ENDED:
        return report(means, wave, again=True)
    name, number = wave.facts.name, wave.facts.number
    if order.detach:
        _record(means, wave, order)
        means.waves.detach(number, who=means.user, why=order.reason, now=means.clock.now())
        return report(means, means.waves.get(number), detached=True)
    if order.wait:
        _wait(means, partial(_against, means, wave, order, left), told)
        wave = means.waves.get(number)
        if wave.facts.state == ENDED or _tended(means, name):
            return report(means, wave, again=True)
    with means.lease(name, f"execute {name}") as lease:
        if means.stop_requested():
            return report(means, wave, result=WaveResult(counts={}, interrupted=True))
        _record(means, wave, order)
        refuse(wave, standing_obstacles(means, wave, order, left))
        means.waves.begin(number, who=means.user, why=order.reason, now=means.clock.now())
        taken_up(means, number)
        result = drive(within(means.world(wave.policy), Schedules(means.database), number), wave.wave, lease)
        settle(means, wave, result)
    carry_out(means, result.queued)
    return report(means, wave, result=result)


def _tended(means: Means, name: str) -> bool:
    """Whether the scheduler drives the wave."""
    lease = means.live_lease(name)
    return lease is not None and lease.holder.doing.startswith(SCHEDULER)


def _against(means: Means, wave: StoredWave, order: Order, left: Left) -> Sequence[Obstacle]:
    """What is to be waited for: what stands against the wave, and the scheduler where it has begun to drive it."""
    name = wave.facts.name
    if _tended(means, name) and not done(means, wave.facts.number, wave.facts.size):
        return [Obstacle(cause=Cause.DRIVEN, text=f"the scheduler drives {name}", then="")]
    found = means.waves.get(wave.facts.number)
    return [] if found.facts.state == ENDED or _tended(means, name) else standing_obstacles(means, found, order, left)


def _wait(means: Means, look: Callable[[], Sequence[Obstacle]], told: Say) -> None:
    """Return when nothing stands against the wave any more, or when asked to stop."""
    last = ""
    while (found := look()) and not means.stop_requested():
        text = "; ".join(o.text for o in found)
        if text != last:
            told(text)
            last = text
        means.clock.sleep(POLL_S)


def _record(means: Means, wave: StoredWave, order: Order) -> None:
    if order.out_of_order:
        ask = Ask(kind=ControlKind.OUT_OF_ORDER, subject=wave.facts.name, actor=means.user, reason=order.reason)
        means.controls.write(ask, now=means.clock.now())


def report(
    means: Means,
    wave: StoredWave,
    *,
    result: WaveResult | None = None,
    detached: bool = False,
    again: bool = False,
) -> WaveReport:
    """The wave as it stands in the store, and what its driver said when it ended."""
    told = report_of(wave, means.progress.moves(wave.facts.number), result)
    facts = means.progress.wave(wave.facts.number) or wave.facts
    pinned = _pinned(means, wave.facts.tier, {ending.service for ending in (*told.fell, *told.stale)})
    begun, runs = facts.began is not None, means.scheduler_lives()
    return replace(told, begun=begun, scheduler=runs, detached=detached, again=again, pinned=pinned)


def _pinned(means: Means, tier: Tier, told: Collection[str]) -> Mapping[str, str]:
    with means.database.reading() as session:
        found = pins.of_tier(session, tier, means.clock.now())
    return {service: pin.told for service, pin in found.items() if service not in told}


def report_of(wave: StoredWave, rows: Sequence[Move], result: WaveResult | None) -> WaveReport:
    """The wave as these rows tell it. Without a result nothing was driven: exit code 0."""
    warm = [row for row in rows if row.state is State.WARM]
    keep = timedelta(seconds=wave.policy.keep_warm_s)
    ended = result or WaveResult(counts={})
    counts = Counter(row.state for row in rows)
    return WaveReport(
        wave=wave.facts.name,
        tier=wave.facts.tier,
        exit=ended.exit,
        moved=sum(counts[state] for state in MOVED),
        size=wave.facts.size,
        warm=len(warm),
        warm_until=max((row.since + keep for row in warm), default=None),
        counts=counts,
        fell=[_ending(row) for row in rows if row.state in FELL],
        stale=[_ending(row) for row in rows if row.state is State.SKIPPED],
        waiting=ended.waiting,
        lost=ended.lost,
        queued=ended.queued,
        interrupted=ended.interrupted,
    )


def _ending(row: Move) -> Ending:
    return Ending(service=row.service, state=row.state, reason=row.reason)


def asks_for_a_typed_name(wave: StoredWave) -> bool:
    """Enterprise waves want their name typed; going on with one that has begun does not."""
    return wave.facts.tier is Tier.ENTERPRISE and wave.facts.began is None
