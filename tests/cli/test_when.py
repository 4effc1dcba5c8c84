"""Times and spans for people."""

from datetime import timedelta

import pytest

from rollout.cli.when import parse_span, span
from rollout.errors import UsageError


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (119.4, "119 s"), (180, "3 min"), (7200, "2 h"), (7500, "2 h 5 min"), (4 * 86400, "4 d")],
)
def test_spans_are_as_long_as_a_person_needs(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_spans_are_read_as_people_write_them() -> None:
    assert parse_span("1h30m") == timedelta(minutes=90)
    assert parse_span("2d") == timedelta(days=2)


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1h2d"])
def test_what_is_no_span_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_span(text)
