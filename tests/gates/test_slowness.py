"""The latency rule of the traffic gate: asked at every look, it must not be wrong by chance."""

import numpy as np
import pytest

from rollout.gates.slowness import least, slowness
from rollout.model.policy import TrafficGate
from rollout.perf.histogram import of

RULES = TrafficGate(max_slowdown=1.0, tolerance_s=0.005)


def lognormal(seed: int, n: int, median: float, sigma: float = 1.0) -> list[float]:
    return list(median * np.exp(sigma * np.random.default_rng(seed).normal(size=n)))


def failed(v2: list[float], legacy: list[float], rules: TrafficGate = RULES) -> bool:
    found = slowness(of(v2), of(legacy), rules)
    return found is not None and found.failed


def test_equals_never_fail_however_often_one_looks() -> None:
    for seed in range(60):
        v2, legacy = lognormal(seed, 400, 20), lognormal(1000 + seed, 400, 20)
        assert not any(failed(v2[:n], legacy[:n]) for n in range(20, 400, 20))


def test_four_times_as_slow_is_seen_soon() -> None:
    assert sum(failed(lognormal(seed, 100, 80, 0.5), lognormal(1000 + seed, 100, 20, 0.5)) for seed in range(30)) >= 28


def test_a_cold_start_is_not_taken_for_slowness() -> None:
    assert not failed([200.0] * 15 + [20.0] * 35, [20.0] * 50)


def test_a_few_milliseconds_of_a_fast_service_are_nothing() -> None:
    assert not failed([4.9] * 200, [0.3] * 200)
    assert failed([6.0] * 200, [0.3] * 200)


def test_too_few_say_nothing() -> None:
    assert slowness(of([900.0] * 100), of([1.0] * 13), RULES) is None
    assert slowness(of([]), of([1.0] * 100), RULES) is None
    assert slowness(of([900.0] * 100), of([]), RULES) is None


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95])
def test_the_fewest_of_legacy_that_say_anything(q: float) -> None:
    rules = TrafficGate(quantile=q)
    assert slowness(of([1.0] * 1000), of([1.0] * least(q)), rules) is not None
    assert slowness(of([1.0] * 1000), of([1.0] * (least(q) - 1)), rules) is None


def test_a_rare_quantile_can_be_asked() -> None:
    rules = TrafficGate(max_slowdown=0.5, tolerance_s=0.0, quantile=0.95)
    assert failed([10.0] * 700 + [90.0] * 300, [10.0] * 1000, rules)
    assert not failed([10.0] * 960 + [90.0] * 40, [10.0] * 1000, rules)
