"""What nobody drives: waves left to the scheduler, waves whose driver is gone, warm moves whose time is over, back moves."""

from dataclasses import replace

from rollout.executor.drive import drive
from rollout.executor.result import Until, WaveResult
from rollout.model.plan import Wave
from rollout.operations.back import NO_TIER, carry_out
from rollout.operations.execute import Left, Order, standing_obstacles
from rollout.operations.means import Means
from rollout.operations.narrow import Narrowed
from rollout.operations.order import refuse_what_is_over
from rollout.operations.settling import settle
from rollout.operations.status import SCHEDULER
from rollout.operations.subject import wave_name, wave_number
from rollout.store.waves import PLANNED, RUNNING


def untended(means: Means, left: Left) -> list[str]:
    """Names of the waves that have something to be done now and that nobody drives. Only reads."""
    now = means.clock.now()
    found = set(means.progress.restless(now))
    for wave in means.progress.waves():
        if wave.state == RUNNING:
            found.add(wave.number)
        elif wave.state == PLANNED and wave.detached and now < wave.plan_expires:
            stored = means.waves.get(wave.number)
            if not standing_obstacles(means, stored, Order(), left):
                found.add(wave.number)
    names = [wave_name(number) for number in sorted(found)]
    return [name for name in names if means.live_lease(name) is None]


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
        result = drive(means.world(stored.policy), stored.wave, lease, until=until)
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
            world = means.world(stored.policy)
            narrow = replace(world, journal=Narrowed(world.journal, over))
            drive(narrow, replace(stored.wave, moves=()), lease, until=Until.FINISHED)
