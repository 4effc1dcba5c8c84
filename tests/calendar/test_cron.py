"""Cron expressions: what is meant, and what is nonsense."""

from datetime import datetime, timedelta
from itertools import islice

import pytest

from rollout.calendar.cron import checked, in_words, shortest_gap, times
from rollout.errors import UsageError

AFTER = datetime(2026, 11, 1, 2, 0)


def test_times_follow_each_other_on_the_wall() -> None:
    assert list(islice(times("0 2 * * SUN", AFTER), 2)) == [datetime(2026, 11, 8, 2), datetime(2026, 11, 15, 2)]
    assert list(islice(times("30 22 L * *", AFTER), 2)) == [datetime(2026, 11, 30, 22, 30), datetime(2026, 12, 31, 22, 30)]


def test_an_expression_is_told_in_words_and_in_one_form() -> None:
    assert in_words("0 2 * * SUN") == "At 02:00 on Sunday"
    assert checked("  0  2 * *   SUN ", AFTER) == "0 2 * * SUN"


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("", "it has 0 fields, not 5"),
        ("0 2 * *", "it has 4 fields"),
        ("0 0 2 * * SUN", "it has 6 fields"),
        ("@daily", "it has 1 field,"),
        ("61 2 * * *", "not a cron expression: bad minute"),
        ("0 25 * * *", "bad hour"),
        ("0 2 * * SUNDAE", "bad day-of-week"),
        ("0 2 31 2 *", "never due: no month that it names has such a day"),
        ("0 2 31 4,6 *", "never due"),
        ("0 2 32 * *", "bad day-of-month"),
        ("*/0 * * * *", "bad minute"),
        ("0 2 * * ٣", "bad day-of-week"),
    ],
)
def test_nonsense_is_refused_with_an_example(expression: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked(expression, AFTER)
    assert what in caught.value.what
    assert "0 2 * * SUN" in caught.value.then


def test_the_shortest_time_between_two() -> None:
    gap = shortest_gap("0 1,4,22 * * *", AFTER)
    assert gap is not None
    assert gap[0] == timedelta(hours=3)
    assert (gap[1].hour, gap[2].hour) in {(1, 4), (22, 1)}


def test_the_end_of_time_is_an_end() -> None:
    assert len(list(times("0 2 1 1 *", datetime(9995, 1, 1)))) <= 5
