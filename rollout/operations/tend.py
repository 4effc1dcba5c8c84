"""What nobody drives: waves left to the scheduler, waves whose driver is gone, warm moves whose time is over, back moves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from rollout.executor.drive import drive
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until, WaveResult
from rollout.model.plan import Wave
from rollout.model.state import State
from rollout.operations.back import NO_TIER, carry_out
from rollout.operations.execute import Left, Order, present, standing_obstacles
from rollout.operations.hours import within
from rollout.operations.means import Means
from rollout.operations.narrow import Narrowed
from rollout.operations.order import Obstacle, refuse_what_is_over
from rollout.operations.runs import shut, taken_up
from rollout.operations.settling import done, settle
from rollout.operations.subject import FLEET, SCHEDULER, wave_name, wave_number
from rollout.store.progress import WaveFacts
from rollout.store.schedules import Schedules
from rollout.store.waves import ENDED, PLANNED, RUNNING

Against = Callable[[int], Sequence[Obstacle]]


def against(means: Means, left: Left) -> Against:
    """What stands against a wave at this moment, looked at once for each."""
    at = present(means)

    @cache
    def found(number: int) -> Sequence[Obstacle]:
        return standing_obstacles(means, means.waves.get(number), Order(), left, at=at)

    return found


def untended(means: Means, stands: Against) -> list[str]:
    """Names of the waves that have something to be done now and that nobody drives. Only reads.

    One that has begun has, where a move is due, where a person's verb waits to be obeyed, and where a move may begin; else
    it rests, and nobody needs to have it.
    """
    now = means.clock.now()
    schedules = Schedules(means.database)
    outside = shut(schedules.standing(), now)
    due = {run.wave for run in schedules.open_runs() if run.window.end > now}
    found = {*means.progress.restless(now), *means.progress.asked(now)}
    begins = beginning(means)
    for wave in means.progress.waves():
        if (wave.state == RUNNING and wave.number not in outside and begins(wave)) or (
            wave.state == PLANNED
            and (wave.detached or wave.number in due)
            and now < wave.plan_expires
            and not stands(wave.number)
        ):
            found.add(wave.number)
    held = {lease.subject for lease in means.leases.held() if means.alive(lease.holder)}
    return [name for name in (wave_name(number) for number in sorted(found)) if name not in held]


def beginning(means: Means) -> Callable[[WaveFacts], bool]:
    """Whether a wave that runs has moves that have not begun, and no person halts them. One moment, for all waves."""
    counts = means.progress.counted()
    controls = means.controls.standing(now=means.clock.now())
    paused = {control.subject for control in controls if control.kind is ControlKind.PAUSE}
    frozen = any(control.kind is ControlKind.FREEZE for control in controls)

    def found(wave: WaveFacts) -> bool:
        states = counts.get(wave.number, {})
        left = sum(states.values()) < wave.size or states.get(State.PLANNED, 0) > 0
        return left and not frozen and paused.isdisjoint({FLEET, wave.name})

    return found


def settle_those_done(means: Means) -> None:
    """Waves whose moves are all warm or final have ended, although a driver finishes them: the next ones wait no more."""
    for wave in means.progress.waves():
        if wave.state == RUNNING and done(means, wave.number, wave.size):
            means.waves.settle(wave.number, ENDED, who=means.user, now=means.clock.now())


def tend(means: Means, name: str, *, until: Until = Until.RESTING) -> WaveResult:
    """Drive the wave until it rests, with what became of it. LockedError where somebody has begun to drive it meanwhile."""
    number = wave_number(name)
    with means.lease(name, f"{SCHEDULER}: {name}") as lease:
        if number < 0:
            return drive(means.world(means.policy), Wave(number=number, tier=NO_TIER, moves=()), lease, until=until)
        stored = means.waves.get(number)
        if stored.facts.state == PLANNED:
            refuse_what_is_over(stored, means.clock.now())
            means.waves.begin(number, who=means.user, why=f"left to the {SCHEDULER}", now=means.clock.now())
        taken_up(means, number)
        world = within(means.world(stored.policy), Schedules(means.database), number)
        result = drive(world, stored.wave, lease, until=until)
        settle(means, stored, result)
    carry_out(means, result.queued)
    return result


def tend_once(means: Means, name: str) -> None:
    """Drive the wave as far as it goes without waiting: warm moves only if their time is over."""
    number = wave_number(name)
    now = means.clock.now()
    over = [row.service for row in means.progress.moves(number) if row.deadline is not None and row.deadline <= now]
    tend(means, name, until=Until.WARM)
    if over and number > 0:
        with means.lease(name, f"{SCHEDULER}: {name}") as lease:
            stored = means.waves.get(number)
            world = within(means.world(stored.policy), Schedules(means.database), number)
            narrow = replace(world, journal=Narrowed(world.journal, over))
            drive(narrow, replace(stored.wave, moves=()), lease, until=Until.FINISHED)
