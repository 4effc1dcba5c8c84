"""The windows of a schedule as instants. Pure: whoever asks brings the time.

A window is cut on the wall and then laid on the line of instants: from the first instant at which clocks show its beginning to
the last at which they show less than its end. So a run is due once on the day on which its hour comes twice; on the day on
which its beginning is leapt over it is due at the leap; a window that is leapt over wholly is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rollout.calendar import cron
from rollout.calendar.zones import LONGEST_STEP_BACK, first, instants, last, shown, zone
from rollout.model.schedule import Times, Window

FARTHEST = datetime(9000, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Where an instant lies among windows: in `inside`, or None; the next one that begins later, or None."""

    inside: Window | None
    next: Window | None


def windows(times: Times, after: datetime) -> Iterator[Window]:
    """The windows that end later than `after`, by their start."""
    where = zone(times.zone)
    for wall in _walls(times, after, where):
        start = _start(times, wall, where)
        end = max(last(wall + timedelta(seconds=times.window_s), where), start)
        if end > max(after, start):
            yield Window(start=start, end=end)


def due(times: Times, after: datetime, until: datetime) -> Iterator[Window]:
    """The windows that begin later than `after`, and not later than `until`."""
    for window in windows(times, after):
        if window.start > until:
            return
        if window.start > after:
            yield window


def around(all_times: Sequence[Times], now: datetime) -> Around:
    """Where `now` lies among the windows of several schedules together; of those that hold it, the one that ends last."""
    inside: list[Window] = []
    later: list[Window] = []
    for times in all_times:
        for window in windows(times, now):
            if window.start > now:
                later.append(window)
                break
            inside.append(window)
    return Around(
        inside=max(inside, key=lambda w: w.end, default=None),
        next=min(later, key=lambda w: w.start, default=None),
    )


def ended(times: Times, now: datetime) -> Window | None:
    """The window of a single time, if it is over."""
    if times.at is None:
        return None
    window = next(windows(times, datetime.min.replace(tzinfo=UTC)), None)
    return window if window is not None and window.end <= now else None


def _walls(times: Times, after: datetime, where: ZoneInfo) -> Iterator[datetime]:
    if times.at is not None:
        yield times.at
        return
    earliest = shown(after, where) - timedelta(seconds=times.window_s) - LONGEST_STEP_BACK
    for wall in cron.times(times.cron, earliest):
        if wall >= FARTHEST:
            return
        yield wall


def _start(times: Times, wall: datetime, where: ZoneInfo) -> datetime:
    if times.second:
        return instants(wall, where)[-1]
    return first(wall, where)
