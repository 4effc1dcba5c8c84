"""A time that a person types: on the wall of a zone, with what there is to say where clocks change. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rollout.calendar.zones import instants, leap, shown, zone
from rollout.errors import UsageError

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[ T](?P<time>\d\d:\d\d(:\d\d)?)\s*(?P<offset>Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
LIKE = "write it like '2026-12-01 02:00'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A time of the wall; `second` of the two that it stands for. `remark`: what a person should know of it."""

    at: datetime
    second: bool = False
    remark: str = ""


def read(text: str, zone_name: str) -> Wall:
    """The time that the text means. UsageError where it is none, does not exist there, or its offset is not that of the zone."""
    where = zone(zone_name)
    wall, offset = _parsed(text)
    found = instants(wall, where)
    if not found:
        leapt = shown(leap(wall, where), where)
        raise UsageError(
            f"{_told(wall)} does not exist in {zone_name}: clocks go forward to {leapt:%H:%M} there",
            then=f"--at '{_told(leapt)}', or another time",
        )
    if offset is not None:
        return _with_offset(text, wall, offset, found, zone_name)
    if len(found) == 1:
        return Wall(at=wall)
    names = [f"{at.astimezone(where):%H:%M %Z}" for at in found]
    later = f"{found[1].astimezone(where):%z}"
    remark = (
        f"{_told(wall)} comes twice in {zone_name}: the first is taken ({names[0]}, {found[0]:%H:%M} UTC); "
        f"the second ({names[1]}): --at '{_told(wall)}{later[:3]}:{later[3:]}'"
    )
    return Wall(at=wall, remark=remark)


def _with_offset(text: str, wall: datetime, offset: timedelta, found: list[datetime], zone_name: str) -> Wall:
    instant = (wall - offset).replace(tzinfo=UTC)
    if instant not in found:
        offsets = " or ".join(_offset(wall - at.replace(tzinfo=None)) for at in found)
        raise UsageError(
            f"{text}: {zone_name} is {offsets} from UTC then, not {_offset(offset)}",
            then=f"--at '{_told(wall)}' means that time in {zone_name}; or name another --timezone",
        )
    return Wall(at=wall, second=instant != found[0])


def _parsed(text: str) -> tuple[datetime, timedelta | None]:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text or 'an empty text'} is not a time", then=LIKE)
    try:
        wall = datetime.fromisoformat(f"{found['date']}T{found['time']}")
        offset = _span(found["offset"])
        (wall - (offset or timedelta())).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text} is not a time: there is no such day or hour", then=LIKE) from None
    return wall, offset


def _span(offset: str | None) -> timedelta | None:
    if offset is None:
        return None
    if offset.upper() in {"Z", "UTC"}:
        return timedelta()
    return datetime.strptime(offset, "%z").utcoffset()


def _offset(away: timedelta) -> str:
    minutes = round(away.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _told(wall: datetime) -> str:
    return f"{wall:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
