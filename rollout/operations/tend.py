"""What nobody drives: waves left to the scheduler, waves whose driver is gone, warm moves whose time is over, back moves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from rollout.executor.drive import drive
from rollout.executor.result import Until, WaveResult
from rollout.model.plan import Wave
from rollout.operations.back import NO_TIER, carry_out
from rollout.operations.execute import Left, Order, present, standing_obstacles
from rollout.operations.hours import within
from rollout.operations.means import Means
from rollout.operations.narrow import Narrowed
from rollout.operations.order import Obstacle, refuse_what_is_over
from rollout.operations.runs import shut, taken_up
from rollout.operations.settling import done, settle
from rollout.operations.status import SCHEDULER
from rollout.operations.subject import wave_name, wave_number
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
    """Names of the waves that have something to be done now and that nobody drives. Only reads."""
    now = means.clock.now()
    schedules = Schedules(means.database)
    outside = shut(schedules.standing(), now)
    due = {run.wave for run in schedules.open_runs() if run.window.end > now}
    found = set(means.progress.restless(now))
    for wave in means.progress.waves():
        if (wave.state == RUNNING and wave.number not in outside) or (
            wave.state == PLANNED
            and (wave.detached or wave.number in due)
            and now < wave.plan_expires
            and not stands(wave.number)
        ):
            found.add(wave.number)
    held = {lease.subject for lease in means.leases.held() if means.alive(lease.holder)}
    return [name for name in (wave_name(number) for number in sorted(found)) if name not in held]


def settle_those_done(means: Means) -> None:
    """Waves whose moves are all warm or final have ended, although a driver finishes them: the next ones wait no more."""
    for wave in means.progress.waves():
        if wave.state == RUNNING and done(means, wave.number, wave.size):
            means.waves.settle(wave.number, ENDED, who=means.user, now=means.clock.now())


def tend(means: Means, name: str, *, until: Until = Until.FINISHED) -> WaveResult:
    """Drive the wave to its end. LockedError where somebody has begun to drive it meanwhile."""
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
