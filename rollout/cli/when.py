"""Times and spans for people: local, with the zone; and spans as people type them."""

import re
from datetime import datetime, timedelta

from rollout.errors import UsageError

_SPAN = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,9})s)?")
_DAY_S = 86400
_HOUR_S = 3600
_MINUTE_S = 60


def clock(at: datetime) -> str:
    """`14:02:03`, local."""
    return f"{at.astimezone():%H:%M:%S}"


def moment(at: datetime) -> str:
    """`2026-05-04 14:02:03 CEST`, local."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def since(at: datetime, now: datetime) -> str:
    """The time alone when it was less than half a day ago, else with the date."""
    return clock(at) if abs((now - at).total_seconds()) < _DAY_S / 2 else moment(at)


def span(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`, `4 d`."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE_S:
        return f"{whole} s"
    if whole < 2 * _HOUR_S:
        return f"{whole // _MINUTE_S} min"
    if whole < 2 * _DAY_S:
        minutes = whole % _HOUR_S // _MINUTE_S
        return f"{whole // _HOUR_S} h" + (f" {minutes} min" if minutes else "")
    return f"{whole // _DAY_S} d"


def parse_span(text: str) -> timedelta:
    """`90s`, `10m`, `1h`, `2d`, `1h30m`. UsageError for anything else, and for centuries."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise UsageError(f"{text or 'an empty text'} is not a span of time", then="write it like 30m, 1h or 2d")
    days, hours, minutes, seconds = (int(g or 0) for g in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
