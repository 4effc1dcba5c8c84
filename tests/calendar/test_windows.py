"""Windows of a schedule, against an oracle that looks at every minute of some days and asks the zone what clocks show."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.calendar.windows import around, due, ended, windows
from rollout.model.schedule import Times, Window

MINUTE = timedelta(minutes=1)
CHANGES = [
    ("Europe/Berlin", date(2027, 3, 28)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2027, 3, 14)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/Havana", date(2027, 3, 14)),
    ("America/Santiago", date(2026, 9, 6)),
    ("America/Santiago", date(2027, 4, 4)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("Antarctica/Troll", date(2027, 3, 28)),
    ("Antarctica/Troll", date(2026, 10, 25)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("UTC", date(2026, 10, 25)),
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def oracle(zone: str, wall: datetime, window: timedelta) -> Window | None:
    """Every minute of the days around: those at which clocks show a time inside, from the first to the last."""
    where = ZoneInfo(zone)
    minute = (wall - timedelta(hours=15)).replace(tzinfo=UTC)
    inside = []
    for _ in range(int((timedelta(hours=30) + window) / MINUTE)):
        if wall <= minute.astimezone(where).replace(tzinfo=None) < wall + window:
            inside.append(minute)
        minute += MINUTE
    return Window(start=inside[0], end=inside[-1] + MINUTE) if inside else None


NEAR = st.integers(-120, 270)
"""Minutes around the midnight of the day on which clocks change: changes are between midnight and three."""


@settings(max_examples=150, deadline=None)
@given(change=st.sampled_from(CHANGES), minute=NEAR, length=st.integers(1, 180))
def test_a_daily_window_is_what_the_clocks_show_minute_by_minute(change: tuple[str, date], minute: int, length: int) -> None:
    zone, changed = change
    wall = datetime.combine(changed, datetime.min.time()) + timedelta(minutes=minute)
    times = Times(zone=zone, window_s=length * 60, cron=f"{wall.minute} {wall.hour} {wall.day} {wall.month} *")
    expected = oracle(zone, wall, timedelta(minutes=length))
    start = (wall - timedelta(days=3)).replace(tzinfo=UTC)
    found = list(due(times, start, start + timedelta(days=6)))
    assert found == ([expected] if expected else [])
    if expected:
        middle = expected.start + (expected.end - expected.start) / 2
        for now in (expected.start, middle, expected.end - timedelta(seconds=1)):
            assert around([times], now).inside == expected
        assert around([times], expected.start - timedelta(seconds=1)).inside is None
        assert around([times], expected.start - timedelta(seconds=1)).next == expected
        assert around([times], expected.end).inside is None


@given(change=st.sampled_from(CHANGES), every=st.sampled_from([5, 15, 20, 30]), length=st.integers(1, 5))
def test_each_time_of_the_wall_is_due_once_and_in_order(change: tuple[str, date], every: int, length: int) -> None:
    zone, changed = change
    times = Times(zone=zone, window_s=length * 60, cron=f"*/{every} * * * *")
    begin = datetime.combine(changed, datetime.min.time(), UTC) - timedelta(days=1)
    found = list(due(times, begin, begin + timedelta(days=3)))
    starts = [window.start for window in found]
    assert starts == sorted(set(starts))
    walls = [start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for start in starts]
    assert len(set(walls)) == len(walls), "the second of two equal hours is not due again"
    assert all(window.start < window.end for window in found)


def test_sunday_two_to_four_in_berlin_is_one_and_three_hours_long_when_clocks_change() -> None:
    times = Times(zone="Europe/Berlin", window_s=7200, cron="0 2 * * SUN")
    spring = list(due(times, utc("2027-03-20"), utc("2027-04-05")))
    assert spring == [
        Window(start=utc("2027-03-21 01:00"), end=utc("2027-03-21 03:00")),
        Window(start=utc("2027-03-28 01:00"), end=utc("2027-03-28 02:00")),
        Window(start=utc("2027-04-04 00:00"), end=utc("2027-04-04 02:00")),
    ]
    assert list(due(times, utc("2026-10-24"), utc("2026-10-26"))) == [
        Window(start=utc("2026-10-25 00:00"), end=utc("2026-10-25 03:00"))
    ]


def test_a_window_that_is_leapt_over_wholly_is_none() -> None:
    times = Times(zone="Europe/Berlin", window_s=1800, cron="15 2 * * *")
    days = [window.start.date() for window in due(times, utc("2027-03-26"), utc("2027-03-30"))]
    assert days == [date(2027, 3, 26), date(2027, 3, 27), date(2027, 3, 29)]


def test_a_window_that_ends_in_the_doubled_hour_ends_in_the_second() -> None:
    def until(minutes: int) -> datetime:
        times = Times(zone="Europe/Berlin", window_s=minutes * 60, cron="0 1 * * *")
        [window] = due(times, utc("2026-10-24 12:00"), utc("2026-10-25 12:00"))
        return window.end

    assert until(60) == utc("2026-10-25 00:00"), "at two, for the first time: nothing later shows less"
    assert until(90) == utc("2026-10-25 01:30")
    assert until(120) == utc("2026-10-25 02:00")


def test_lord_howe_changes_by_half_an_hour() -> None:
    times = Times(zone="Australia/Lord_Howe", window_s=3600, cron="45 1 * * *")
    # 2027-04-04: at 02:00 (+11) clocks go back to 01:30 (+10:30), so that 01:45 comes twice; the first counts
    assert list(due(times, utc("2027-04-03 12:00"), utc("2027-04-04 12:00"))) == [
        Window(start=utc("2027-04-03 14:45"), end=utc("2027-04-03 16:15"))
    ]


@pytest.mark.parametrize(("second", "start"), [(False, "2026-10-25 00:30"), (True, "2026-10-25 01:30")])
def test_one_time_that_comes_twice_begins_at_the_one_that_was_meant(second: bool, start: str) -> None:
    times = Times(zone="Europe/Berlin", window_s=3600, at=datetime(2026, 10, 25, 2, 30), second=second)
    assert list(windows(times, utc("2026-10-01"))) == [Window(start=utc(start), end=utc("2026-10-25 02:30"))]
    assert ended(times, utc("2026-10-25 02:29")) is None
    assert ended(times, utc("2026-10-25 02:30")) == Window(start=utc(start), end=utc("2026-10-25 02:30"))


def test_of_several_schedules_the_window_that_ends_last_counts() -> None:
    nightly = Times(zone="UTC", window_s=7200, cron="0 2 * * *")
    longer = Times(zone="UTC", window_s=14400, cron="0 3 * * SUN")
    sunday = around([nightly, longer], utc("2026-11-01 03:30"))
    assert sunday.inside == Window(start=utc("2026-11-01 03:00"), end=utc("2026-11-01 07:00"))
    assert sunday.next == Window(start=utc("2026-11-02 02:00"), end=utc("2026-11-02 04:00"))
    assert around([], utc("2026-11-01")).next is None


def test_after_a_long_absence_all_that_was_due_is_found() -> None:
    times = Times(zone="Europe/Berlin", window_s=60, cron="0 * * * *")
    assert len(list(due(times, utc("2026-11-01"), utc("2026-11-08")))) == 7 * 24
    assert len(list(islice(windows(times, utc("2026-11-01")), 3))) == 3
