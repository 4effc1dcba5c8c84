"""The histogram against numpy: no quantile is further off than it says, and adding up loses nothing."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.model.plain import from_plain, to_plain
from rollout.model.snapshot import Histogram
from rollout.perf.histogram import ERROR, SMALLEST_MS, above, merge, of, quantile

latencies = st.lists(st.floats(SMALLEST_MS, 1e7), min_size=1, max_size=200)
shares = st.floats(0.0, 1.0)


@given(latencies, shares)
def test_a_quantile_is_within_the_stated_error(values: list[float], q: float) -> None:
    true = float(np.sort(values)[int(q * (len(values) - 1))])
    assert quantile(of(values), q) == pytest.approx(true, rel=ERROR * 1.0001)


@given(st.lists(st.floats(0.1, 1000), min_size=30, max_size=200))
def test_percentiles_are_numpys(values: list[float]) -> None:
    found = of(values)
    for q in (0.5, 0.95, 0.99):
        assert quantile(found, q) == pytest.approx(float(np.quantile(values, q, method="lower")), rel=ERROR * 1.0001)


@given(st.lists(latencies, min_size=1, max_size=5))
def test_parts_added_up_are_the_whole(parts: list[list[float]]) -> None:
    whole = of([value for part in parts for value in part])
    added = merge(map(of, parts))
    assert added.buckets == whole.buckets
    assert (added.n, added.lowest, added.highest) == (whole.n, whole.lowest, whole.highest)
    assert added.total == pytest.approx(whole.total)


@given(latencies)
def test_it_goes_through_json(values: list[float]) -> None:
    histogram = of(values)
    assert from_plain(Histogram, json.loads(json.dumps(to_plain(histogram)))) == histogram


@given(latencies, st.floats(SMALLEST_MS, 1e7))
def test_above_counts_no_request_that_was_not_slower(values: list[float], limit: float) -> None:
    surely = sum(value > limit * (1 + 2.1 * ERROR) for value in values)
    assert surely <= above(of(values), limit) <= sum(value > limit for value in values)


def test_nothing_has_no_quantile_and_adds_nothing() -> None:
    assert quantile(Histogram(), 0.5) is None
    assert merge([]) == merge([Histogram(), Histogram()]) == Histogram()
    assert merge([Histogram(), of([3.0])]) == of([3.0])


def test_an_hour_of_a_busy_service_is_small() -> None:
    spread = np.random.default_rng(7).lognormal(mean=3, sigma=1, size=100_000)
    assert len(json.dumps(to_plain(of(spread)), separators=(",", ":"))) < 6_000
