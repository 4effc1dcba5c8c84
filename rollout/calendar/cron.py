"""Cron expressions over times of the wall: five fields, names of days and months, `L` and `#`. Pure.

Zones are added afterwards (`windows`): a job that a cron library puts into a zone runs twice or not at all when clocks change.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from rollout.errors import UsageError

FIELDS = 5
LIKE = "write it like '0 2 * * SUN': minute, hour, day of month, month, day of week"
LOOKED_AT = 500


def times(expression: str, after: datetime) -> Iterator[datetime]:
    """The times of the wall at which it is due, later than `after` (naive), in order. UsageError for nonsense."""
    found = _parsed(expression, after)
    while True:
        try:
            yield next(found)
        except (StopIteration, OverflowError, ValueError):
            return


def checked(expression: str, after: datetime) -> str:
    """The expression in its usual form. UsageError where it is nonsense, or is never due."""
    text = " ".join(expression.split())
    if next(times(text, after), None) is None:
        raise UsageError(f"'{text}' is never due", then=LIKE)
    return text


def in_words(expression: str) -> str:
    """`At 02:00 on Sunday`."""
    return str(_parsed(expression, datetime(2000, 1, 1)).explain())


def shortest_gap(expression: str, after: datetime) -> tuple[timedelta, datetime, datetime] | None:
    """The shortest time between two that follow each other, and these two; None where it is due only once."""
    best, before = None, None
    for count, at in enumerate(times(expression, after)):
        if before is not None and (best is None or at - before < best[0]):
            best = (at - before, before, at)
        before = at
        if count == LOOKED_AT:
            break
    return best


def _parsed(expression: str, after: datetime) -> CronSim:
    fields = expression.split()
    if len(fields) != FIELDS:
        had = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
        raise UsageError(f"'{expression}' is not a cron expression: it has {had}, not {FIELDS}", then=LIKE)
    try:
        return CronSim(" ".join(fields), after)
    except CronSimError as error:
        raise UsageError(f"'{expression}' is {_why(fields, after, str(error))}", then=LIKE) from error


def _why(fields: list[str], after: datetime, said: str) -> str:
    """The library calls the 30th of February a bad day: each field is good, and it is never due."""
    try:
        CronSim(" ".join([*fields[:3], "*", *fields[4:]]), after)
        CronSim(" ".join([*fields[:2], "*", *fields[3:]]), after)
    except CronSimError:
        return f"not a cron expression: {said[:1].lower()}{said[1:]}"
    return "never due: no month that it names has such a day"
