"""The exact tail, against the sum of all terms in fractions."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.gates.chance import at_least


@given(st.integers(0, 60), st.integers(-1, 61), st.integers(0, 20))
def test_it_equals_the_sum_in_fractions(trials: int, successes: int, twentieths: int) -> None:
    p = Fraction(twentieths, 20)
    exact = sum(comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(max(0, successes), trials + 1))
    assert at_least(successes, trials, float(p)) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


def test_millions_of_trials_are_no_trouble() -> None:
    assert at_least(21_000, 1_000_000, 0.02) == pytest.approx(7.0e-13, rel=0.01)
    assert at_least(1_000_000, 1_000_000, 0.02) == 0.0
    assert at_least(20_000, 1_000_000, 0.02) == pytest.approx(0.501, abs=0.002)
