"""Time zones: names that people type, and which instants a time of the wall stands for. Pure.

A time of the wall is a naive datetime. Where clocks go forward some do not exist; where they go back some come twice.
"""

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from rollout.errors import UsageError

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
LONGEST_STEP_BACK = timedelta(hours=3)
"""Clocks go back by one hour at most, half an hour or two in places; this bounds it with some room."""
LINKS = ("posix/", "right/")
"""Copies of the whole database that some systems list: nobody means them."""


def zone(name: str) -> ZoneInfo:
    """The zone of that name, as in `Europe/Berlin`. UsageError for an unknown one, with names that are near."""
    if name in known():
        return ZoneInfo(name)
    near = _near(name, known())
    then = f"did you mean {', '.join(near)}?" if near else "name it like Europe/Berlin or UTC"
    raise UsageError(f"{name or 'an empty name'} is not a time zone", then=then)


@lru_cache(maxsize=1)
def known() -> frozenset[str]:
    """All names of zones that there are here."""
    return frozenset(one for one in available_timezones() if not one.startswith(LINKS))


def _near(name: str, names: frozenset[str]) -> list[str]:
    """Names like it; a city alone is enough, in whatever case."""
    cities = {one.rpartition("/")[2].lower(): one for one in sorted(names)} | {one.lower(): one for one in sorted(names)}
    wanted = name.strip().lower().replace(" ", "_")
    found = get_close_matches(wanted, cities, n=3, cutoff=0.75)
    found += get_close_matches(wanted.rpartition("/")[2], cities, n=2, cutoff=0.75)
    return list(dict.fromkeys(cities[one] for one in found))[:3]


def instants(wall: datetime, where: ZoneInfo) -> list[datetime]:
    """The instants (UTC) at which clocks there show that time: none, one, or two in order."""
    found = {_instant(wall, where, fold) for fold in (0, 1)}
    return sorted(at for at in found if shown(at, where) == wall)


def shown(at: datetime, where: ZoneInfo) -> datetime:
    """What clocks there show at that instant, naive."""
    return at.astimezone(where).replace(tzinfo=None, fold=0)


def first(wall: datetime, where: ZoneInfo) -> datetime:
    """The first instant at which clocks there show that time; where none does, the one at which they leap over it."""
    found = instants(wall, where)
    return found[0] if found else leap(wall, where)


def last(wall: datetime, where: ZoneInfo) -> datetime:
    """The end of what lies before that time of the wall: the instant after the last one that shows less."""
    found = instants(wall - TICK, where)
    return found[-1] + TICK if found else leap(wall - TICK, where)


def leap(wall: datetime, where: ZoneInfo) -> datetime:
    """The instant at which clocks there leap over a time of the wall that does not exist."""
    before, after = sorted(_instant(wall, where, fold) for fold in (0, 1))
    old = before.astimezone(where).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(where).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _instant(wall: datetime, where: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=where, fold=fold).astimezone(UTC)
