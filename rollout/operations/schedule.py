"""What a person says about when waves run: schedule add, list, next, remove."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rollout.calendar import cron, wall
from rollout.calendar.windows import around, ended, windows
from rollout.calendar.zones import zone
from rollout.errors import StaleError, UsageError, WaitingError
from rollout.model.schedule import Missed, Run, RunState, Schedule, Times, Window
from rollout.operations.hours import local, until
from rollout.operations.order import refuse_what_is_over
from rollout.operations.subject import is_wave, wave_number
from rollout.store.database import Database
from rollout.store.progress import Progress, WaveFacts
from rollout.store.schedules import Schedules, Wish
from rollout.store.waves import ENDED, PLANNED, RUNNING, StoredWave

USUAL = timedelta(hours=4)
"""The window of a single time that names none."""
LONGEST = timedelta(days=31)
REMEMBERED = timedelta(days=7)
"""For so long `list` and `status` tell of schedules that ended by themselves, and of runs that were missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed. `zone`: the name of a time zone."""

    zone: str
    at: str = ""
    cron: str = ""
    window: timedelta | None = None
    missed: Missed = Missed.RUN
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The schedule as it stands, and what its person should know. `new`: it was not there before."""

    schedule: Schedule
    new: bool
    next: Window
    remarks: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A schedule with its next window and its last run. `over`: why it does not run again."""

    schedule: Schedule
    wave: str
    words: str
    next: Window | None
    last: Run | None
    over: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One run to come."""

    schedule: int
    wave: str
    zone: str
    window: Window


def read(asked: Asked, now: datetime) -> tuple[Times, list[str]]:
    """The times that are meant, and remarks on them. UsageError for what cannot be meant."""
    if bool(asked.at) == bool(asked.cron):
        what = "--at and --cron exclude each other" if asked.at else "no time is named"
        raise UsageError(what, then="name --at '2026-12-01 02:00', or --cron '0 2 * * SUN' --window 2h")
    where = zone(asked.zone)
    if asked.window is not None and not timedelta(minutes=1) <= asked.window <= LONGEST:
        raise UsageError("a window lasts from 1m to 31d", then="--window 2h")
    if asked.at:
        found = wall.read(asked.at, asked.zone)
        length = asked.window or USUAL
        times = Times(zone=asked.zone, window_s=_seconds(length), at=found.at, second=found.second)
        return times, [found.remark] if found.remark else []
    shown = now.astimezone(where).replace(tzinfo=None)
    text = cron.checked(asked.cron, shown)
    if asked.window is None:
        raise UsageError("a cron expression needs the length of its window", then=f"--cron '{text}' --window 2h")
    _fits_its_period(text, asked.window, shown)
    return Times(zone=asked.zone, window_s=_seconds(asked.window), cron=text), []


def add(database: Database, wave: StoredWave, asked: Asked, *, who: str, now: datetime) -> Added:
    """The wave has this schedule. StaleError for a wave that is over, UsageError for a time that cannot be meant."""
    times, remarks = read(asked, now)
    facts = wave.facts
    if facts.state == ENDED:
        raise StaleError(f"{facts.name} has ended: there is nothing left to schedule", then=f"rollout show {facts.name}")
    refuse_what_is_over(wave, now)
    first = _first(times, facts.name, now)
    if facts.state == PLANNED and first.start >= facts.plan_expires:
        expires = local(facts.plan_expires, times.zone)
        raise UsageError(f"{facts.name} could not begin then any more: its plan expires {expires}", then="name an earlier time")
    remarks += _too_short(wave, times)
    wish = Wish(wave=facts.number, times=times, missed=asked.missed, by=who, reason=asked.reason)
    schedule, new = Schedules(database).add(wish, now=now)
    return Added(schedule=schedule, new=new, next=first, remarks=remarks)


def remove(database: Database, name: str, *, who: str, reason: str, now: datetime) -> list[tuple[Schedule, str]]:
    """The schedule, or all of the wave, bind no more; each with what that means for its wave.

    UsageError for what is unknown, WaitingError while a wave runs in one of these windows: it would go on without an end.
    """
    schedules, progress = Schedules(database), Progress(database)
    found = _named(schedules, name)
    for schedule in found:
        _refuse_while_running(schedule, progress.wave(schedule.wave), now)
    said = []
    for schedule in found:
        if not schedules.end(schedule.id, who=who, why=reason or f"removed by {who}", now=now):
            said.append((schedule, f"schedule {schedule.id} of {schedule.wave_name} had ended: {schedule.why_ended}"))
            continue
        rest = schedules.standing(schedule.wave)
        said.append((schedule, f"schedule {schedule.id} of {schedule.wave_name} is removed{_after(schedule, rest, progress)}"))
    return said


def listed(database: Database, now: datetime, *, everything: bool = False) -> list[Line]:
    """Schedules that stand, and those that ended by themselves lately; all that ever were with `everything`."""
    schedules, progress = Schedules(database), Progress(database)
    gone = [one for one in schedules.ended(datetime.min.replace(tzinfo=UTC) if everything else now - REMEMBERED)]
    shown = [*schedules.standing(), *(one for one in gone if everything or not one.why_ended.startswith("removed"))]
    waves = {wave.number: wave for wave in progress.waves()}
    return [_line(one, waves.get(one.wave), schedules.last_run(one.id), now) for one in sorted(shown, key=lambda s: s.id)]


def upcoming(database: Database, now: datetime, *, wave: int | None = None) -> Iterator[Due]:
    """The runs to come, by due time."""
    progress = {one.number: one for one in Progress(database).waves()}
    standing = [one for one in Schedules(database).standing(wave) if not over(progress.get(one.wave), now)]
    return heapq.merge(*(_dues(one, progress.get(one.wave), now) for one in standing), key=lambda due: due.window.start)


def missed(database: Database, now: datetime, *, wave: int | None = None) -> list[Run]:
    """The last run of each wave's schedule that still stands, where nobody began that run; lately."""
    schedules = Schedules(database)
    last = [schedules.last_run(one.id) for one in schedules.standing(wave)]
    return [run for run in last if run and run.state is RunState.MISSED and run.window.start > now - REMEMBERED]


def over(wave: WaveFacts | None, now: datetime) -> str:
    """Why no schedule of the wave can run any more; empty where it can."""
    if wave is None:
        return "its wave is gone"
    if wave.state == "superseded":
        return f"{wave.name} is superseded by {wave.superseded_by or 'a newer plan'}"
    if wave.state == "expired" or (wave.state == PLANNED and now >= wave.plan_expires):
        return f"the plan of {wave.name} expired before it began"
    return f"{wave.name} has ended" if wave.state == ENDED else ""


def _dues(schedule: Schedule, wave: WaveFacts | None, now: datetime) -> Iterator[Due]:
    for window in windows(schedule.times, now):
        if wave is not None and wave.state == PLANNED and window.start >= wave.plan_expires:
            return
        if window.start > now:
            yield Due(schedule=schedule.id, wave=schedule.wave_name, zone=schedule.times.zone, window=window)


def _line(schedule: Schedule, wave: WaveFacts | None, last: Run | None, now: datetime) -> Line:
    times = schedule.times
    words = f"{times.at:%Y-%m-%d %H:%M}" if times.at else f"{times.cron} ({cron.in_words(times.cron)})"
    why = schedule.why_ended if schedule.ended else over(wave, now)
    following = None if why else next(_dues(schedule, wave, now), None)
    return Line(
        schedule=schedule,
        wave=schedule.wave_name,
        words=f"{words} {times.zone}",
        next=following.window if following else None,
        last=last,
        over=why or _used_up(schedule, wave, now),
    )


def _used_up(schedule: Schedule, wave: WaveFacts | None, now: datetime) -> str:
    """A single time that is over, while its wave is not: it still keeps the wave from going on at any time."""
    if ended(schedule.times, now) is None:
        return ""
    name, number = schedule.wave_name, schedule.id
    began = "has not begun" if wave is None or wave.state == PLANNED else "is not done"
    return f"its window is over and {name} {began}; next: rollout schedule add {name} --at …, or rollout schedule remove {number}"


def _first(times: Times, name: str, now: datetime) -> Window:
    """The first window that begins later than now. UsageError where there is none."""
    for window in windows(times, now):
        if window.start > now:
            return window
    if times.at is None:
        raise UsageError(f"'{times.cron}' is never due in {times.zone}", then="rollout schedule add --help")
    where = ZoneInfo(times.zone)
    raise UsageError(
        f"{times.at:%Y-%m-%d %H:%M} in {times.zone} is past: it is {now.astimezone(where):%Y-%m-%d %H:%M %Z} there",
        then=f"name a time to come, or: rollout execute {name}",
    )


def _fits_its_period(text: str, window: timedelta, after: datetime) -> None:
    found = cron.shortest_gap(text, after)
    if found is not None and window > found[0]:
        gap, one, other = found
        shown = "%a %H:%M" if gap >= timedelta(days=1) else "%H:%M"
        between = f"the {_span(gap)} from {one:{shown}} to {other:{shown}}, when '{text}' is due"
        raise UsageError(
            f"a window of {_span(window)} is longer than {between}",
            then=f"--window {_span(gap)}, or shorter",
        )


def _too_short(wave: StoredWave, times: Times) -> list[str]:
    """What does not fit into the window. UsageError where nothing does: such a wave would never begin."""
    longest = [move for move in wave.wave.moves if move.expected_s > times.window_s]
    if not longest:
        return []
    most = _span(timedelta(seconds=max(move.expected_s for move in longest)))
    length = _span(timedelta(seconds=times.window_s))
    if len(longest) == len(wave.wave.moves):
        least = timedelta(seconds=min(move.expected_s for move in longest))
        needs = f"each service of {wave.facts.name} may need {_span(least)} or more"
        raise UsageError(f"nothing fits into a window of {length}: {needs}", then=f"--window {most}, or longer")
    return [f"{len(longest)} of {len(wave.wave.moves)} services may need up to {most}: they do not begin in a window of {length}"]


def _named(schedules: Schedules, name: str) -> Sequence[Schedule]:
    if is_wave(name):
        found = schedules.standing(wave_number(name))
        if not found:
            raise UsageError(f"{name} has no schedule", then="rollout schedule list")
        return found
    if not (name.isascii() and name.isdecimal() and len(name) < 10):
        raise UsageError(f"{name} is neither a schedule nor a wave", then="name it like 3 or wave-3; rollout schedule list")
    return [schedules.get(int(name))]


def _refuse_while_running(schedule: Schedule, wave: WaveFacts | None, now: datetime) -> None:
    if schedule.ended is not None or wave is None or wave.state != RUNNING:
        return
    inside = around([schedule.times], now).inside
    if inside is not None:
        raise WaitingError(
            f"{wave.name} runs in the window of schedule {schedule.id}: {until(inside, schedule.times.zone)}",
            state="nothing was changed; without its schedule the wave would go on without an end",
            then=f"rollout pause {wave.name} halts it, rollout abort {wave.name} brings it back",
        )


def _after(schedule: Schedule, rest: Sequence[Schedule], progress: Progress) -> str:
    wave = progress.wave(schedule.wave)
    name = schedule.wave_name
    if wave is None or over(wave, schedule.created):
        return ""
    if rest:
        return f"; {', '.join(f'schedule {one.id}' for one in rest)} stays"
    if wave.state == PLANNED:
        return f"; nothing begins {name} now: rollout execute {name}"
    return f"; {name} has begun and goes on at any time now: rollout pause {name} halts it"


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _span(span: timedelta) -> str:
    """`2h`, `1h30m`, `2d`: as it is typed."""
    left = _seconds(span)
    told = ""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        told += f"{count}{unit}" if count else ""
    return told or "0s"
