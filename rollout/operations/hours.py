"""When a wave may run: what its schedules say of a moment, read again as often as a driver looks around."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rollout.calendar.windows import Around, around
from rollout.executor.world import World
from rollout.model.schedule import Schedule, Window
from rollout.operations.order import Cause, Obstacle
from rollout.store.database import Database
from rollout.store.schedules import Schedules

FRESH = timedelta(seconds=0.25)


class Hours:
    """The windows of one wave. A wave without a schedule may run at any time."""

    def __init__(self, schedules: Schedules, wave: int) -> None:
        self._schedules = schedules
        self._wave = wave
        self._read: datetime | None = None
        self._standing: Sequence[Schedule] = ()
        self._around = Around(inside=None, next=None)

    def closed(self, now: datetime, seconds: float) -> str | None:
        """Why a step that needs so many seconds may not happen now; None where it may."""
        if self._read is None or not timedelta() <= now - self._read < FRESH:
            self._read = now
            self._standing = self._schedules.standing(self._wave)
            self._around = around([one.times for one in self._standing], now)
        return told(self._standing, self._around, now, seconds)


def within(world: World, schedules: Schedules, wave: int) -> World:
    """The world, in which the wave goes forward only in its windows."""
    return replace(world, closed=Hours(schedules, wave).closed) if wave > 0 else world


def told(standing: Sequence[Schedule], found: Around, now: datetime, seconds: float) -> str | None:
    """In words why a step of so many seconds may not happen now; None where it may, and where there is no schedule."""
    if not standing:
        return None
    zone = standing[0].times.zone
    if found.inside is None or found.inside.end <= now:
        opens = f"it opens {local(found.next.start, zone)}" if found.next else "no other one comes"
        return f"outside its window: {opens}"
    if now + timedelta(seconds=seconds) > found.inside.end:
        return f"it needs {seconds:.0f} s and its window ends {local(found.inside.end, zone)}"
    return None


def obstacle(database: Database, wave: int, name: str, now: datetime) -> list[Obstacle]:
    """What the schedules of the wave say against going on now."""
    standing = Schedules(database).standing(wave)
    found = around([one.times for one in standing], now) if standing else Around(inside=None, next=None)
    why = told(standing, found, now, 0.0)
    if why is None:
        return []
    numbers = " ".join(str(one.id) for one in standing)
    then = f"to do it at any time: rollout schedule remove {numbers}"
    if found.next is None:
        then = f"rollout schedule add {name} --at …, or {then}"
    return [Obstacle(cause=Cause.WINDOW, text=f"it is {why}", then=then)]


def local(at: datetime, zone: str) -> str:
    """`2026-12-01 02:00 CET (01:00 UTC)`: as the schedule's zone shows it."""
    shown = f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"
    return shown if zone == "UTC" else f"{shown} ({at:%H:%M} UTC)"


def until(window: Window, zone: str) -> str:
    """`2026-12-01 02:00 CET (01:00 UTC), until 06:00`: a window as the schedule's zone shows it."""
    start, end = (at.astimezone(ZoneInfo(zone)) for at in (window.start, window.end))
    ends = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{local(window.start, zone)}, until {ends}"
