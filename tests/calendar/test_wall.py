"""Times that people type: what they mean, and what is said where clocks change."""

import pytest

from rollout.calendar.wall import read
from rollout.calendar.zones import zone
from rollout.errors import UsageError


@pytest.mark.parametrize(
    ("text", "shown", "second"),
    [
        ("2026-12-01 02:00", "2026-12-01T02:00:00", False),
        (" 2026-12-01T02:00:30 ", "2026-12-01T02:00:30", False),
        ("2026-12-01 02:00+01:00", "2026-12-01T02:00:00", False),
        ("2026-10-25 02:30+02:00", "2026-10-25T02:30:00", False),
        ("2026-10-25 02:30 +0100", "2026-10-25T02:30:00", True),
    ],
)
def test_a_time_on_the_wall_of_berlin(text: str, shown: str, second: bool) -> None:
    found = read(text, "Europe/Berlin")
    assert (found.at.isoformat(), found.second, found.remark) == (shown, second, "")


def test_a_time_that_comes_twice_says_which_is_taken_and_how_to_mean_the_other() -> None:
    remark = read("2026-10-25 02:30", "Europe/Berlin").remark
    assert remark == (
        "2026-10-25 02:30 comes twice in Europe/Berlin: the first is taken (02:30 CEST, 00:30 UTC); "
        "the second (02:30 CET): --at '2026-10-25 02:30+01:00'"
    )
    assert read("2026-10-25 02:30+01:00", "Europe/Berlin").second


@pytest.mark.parametrize(
    ("text", "where", "what", "then"),
    [
        ("2027-03-28 02:30", "Europe/Berlin", "does not exist in Europe/Berlin: clocks go forward to 03:00", "2027-03-28 03:00"),
        ("2026-10-04 02:10", "Australia/Lord_Howe", "clocks go forward to 02:30", "2026-10-04 02:30"),
        ("2027-03-28 02:30+01:00", "Europe/Berlin", "does not exist", "03:00"),
        ("2026-12-01 02:00+03:00", "Europe/Berlin", "Europe/Berlin is +01:00 from UTC then, not +03:00", "--timezone"),
        ("2026-12-01 02:00Z", "America/New_York", "is -05:00 from UTC then, not +00:00", "--timezone"),
        ("2026-10-25 02:30-03:00", "Europe/Berlin", "is +02:00 or +01:00", "--timezone"),
        ("2026-02-30 02:00", "UTC", "no such day", "2026-12-01 02:00"),
        ("2026-12-01 25:00", "UTC", "no such day or hour", "2026-12-01 02:00"),
        ("0000-12-01 02:00", "UTC", "no such day", "2026-12-01 02:00"),
        ("0001-01-01 00:00+05:00", "UTC", "no such day", "2026-12-01 02:00"),
        ("tomorrow", "UTC", "tomorrow is not a time", "2026-12-01 02:00"),
        ("", "UTC", "an empty text is not a time", "2026-12-01 02:00"),
        ("٢٠٢٦-12-01 02:00", "UTC", "is not a time", "2026-12-01 02:00"),
    ],
)
def test_bad_times_are_told_with_a_way_out(text: str, where: str, what: str, then: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, where)
    assert what in caught.value.what
    assert then in caught.value.then


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Europe/New_York", "America/New_York"),
        ("europe/berlin", "Europe/Berlin"),
        ("utc", "UTC"),
    ],
)
def test_an_unknown_zone_suggests_near_ones(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        zone(name)
    assert caught.value.what == f"{name} is not a time zone"
    assert near in caught.value.then


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/etc/localtime", "Xyzzy", "Europe", "posix/Europe/Berlin"])
def test_what_is_no_zone_is_never_taken_for_one(name: str) -> None:
    with pytest.raises(UsageError):
        zone(name)
