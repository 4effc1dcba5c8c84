"""Runs that have come: claimed in the store first, so that of many schedulers one has each; told when missed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rollout.calendar.windows import around, due, windows
from rollout.model.schedule import Missed, Run, RunState, Schedule, Window
from rollout.operations import hours
from rollout.operations.hours import local
from rollout.operations.means import Means
from rollout.operations.saying import Say
from rollout.operations.schedule import over
from rollout.operations.subject import SCHEDULER
from rollout.store.progress import WaveFacts
from rollout.store.schedules import Schedules
from rollout.store.waves import ENDED, PLANNED

Waits = Callable[[int], str]
LATE = timedelta(minutes=1)
"""Later than this a run counts as missed, and is begun only if its schedule says so."""
MOST_MISSED = 100
"""So many missed runs are stored one by one; of more, the first kept tells how many there were."""


def look(means: Means, waits: Waits, say: Say) -> None:
    """Every run that is due is claimed, every run whose window is over is closed, every schedule whose wave is over has ended.

    `waits`: why a wave that has not begun may not begin, empty where it may. `say` hears each change in one line.
    """
    now = means.clock.now()
    schedules = Schedules(means.database)
    waves = {wave.number: wave for wave in means.progress.waves()}
    standing = schedules.standing()
    for schedule in standing:
        why = over(waves.get(schedule.wave), now)
        if why and schedules.end(schedule.id, who=SCHEDULER, why=why, now=now):
            say(f"schedule {schedule.id} has ended: {why}")
        elif not why:
            _claim(schedules, schedule, now, means.user, say)
    for run in schedules.open_runs():
        _look_at(schedules, run, waves.get(run.wave), (waits, say), now)


def taken_up(means: Means, wave: int) -> None:
    """The wave's open runs have begun: somebody drives it. Once for each run, whoever comes first."""
    schedules = Schedules(means.database)
    claimed = [run for run in schedules.open_runs(wave) if run.state is RunState.CLAIMED]
    schedules.change(claimed, RunState.BEGUN, note=f"driven by {means.user}", now=means.clock.now())


def next_look(means: Means) -> datetime | None:
    """When the next window begins; None where no schedule has one."""
    now = means.clock.now()
    return min((found.start for one in Schedules(means.database).standing() if (found := _next(one, now))), default=None)


def shut(standing: Sequence[Schedule], now: datetime) -> Mapping[int, str]:
    """Waves that are outside their windows, and what is told of them."""
    waves: dict[int, list[Schedule]] = {}
    for schedule in standing:
        waves.setdefault(schedule.wave, []).append(schedule)
    said = {wave: hours.told(group, around([one.times for one in group], now), now, 0.0) for wave, group in waves.items()}
    return {wave: text for wave, text in said.items() if text}


def _next(schedule: Schedule, now: datetime) -> Window | None:
    return next((window for window in windows(schedule.times, now) if window.start > now), None)


def _claim(schedules: Schedules, schedule: Schedule, now: datetime, user: str, say: Say) -> None:
    found = [_come(schedule, window, now, user) for window in due(schedule.times, schedule.settled, now)]
    if len(found) > MOST_MISSED:
        gone = len(found) - MOST_MISSED
        found = found[gone:]
        found[0] = replace(found[0], note=f"{found[0].note}; and {gone} before it")
    if not found or not schedules.claim(schedule, found, now=now):
        return
    for run in found:
        when = local(run.window.start, schedule.times.zone)
        word = "missed" if run.state is RunState.MISSED else "claimed"
        say(f"{schedule.wave_name}: run of {when} {word}" + (f": {run.note}" if run.note else ""))


def _come(schedule: Schedule, window: Window, now: datetime, user: str) -> Run:
    late = now - window.start
    state, note = RunState.CLAIMED, ""
    if window.end <= now:
        state, note = RunState.MISSED, "no scheduler ran until its window was over"
    elif late > LATE and schedule.missed is Missed.NEXT:
        state, note = RunState.MISSED, f"{_minutes(late)} late: left for the next one"
    elif late > LATE:
        note = f"{_minutes(late)} late: no scheduler ran"
    return Run(schedule=schedule.id, wave=schedule.wave, window=window, state=state, by=user, at=now, note=note)


def _look_at(schedules: Schedules, run: Run, wave: WaveFacts | None, told: tuple[Waits, Say], now: datetime) -> None:
    waits, say = told
    planned = wave is not None and wave.state == PLANNED
    if run.window.end <= now or wave is None or wave.state == ENDED:
        note = _became(run, wave)
        if schedules.change([run], RunState.OVER, note=note, now=now):
            say(f"wave-{run.wave}: run is over: {note}")
    elif planned and run.state is RunState.CLAIMED:
        text = waits(run.wave)
        if text and text != run.note and schedules.change([run], run.state, note=text, now=now):
            say(f"wave-{run.wave}: run waits: {text}")


def _became(run: Run, wave: WaveFacts | None) -> str:
    if wave is None or wave.state == ENDED:
        return "the wave has ended"
    if wave.state == PLANNED:
        return "the wave did not begin" + (f": {run.note}" if run.note else "")
    return "the window ended before the wave"


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)} min"
