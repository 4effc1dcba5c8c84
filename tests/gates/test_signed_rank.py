"""The test of the performance gate: how often it is wrong, and what it does not see."""

from collections import Counter
from dataclasses import replace

import pytest

from rollout.gates.signed_rank import SignedRank, allowed
from rollout.model.policy import PerformanceGate
from rollout.model.verdict import Outcome
from rollout.perf.blocks import Block, Timed, after_warm_up, blocks, size
from tests.gates.performance_streams import L, V, stream

RULES = PerformanceGate(min_requests=200, max_slowdown=0.2, tolerance_s=0.001, alpha=0.01, warm_up=20)
RUNS = 100


def outcomes(rules: PerformanceGate = RULES, **kind: float) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(RUNS):
        counted = blocks(after_warm_up(stream(seed, 700, **kind), rules.warm_up), size(rules.quantile))
        compared = SignedRank().compare(counted, rules)
        found[str(compared.outcome) if compared else "none"] += 1
    return found


def test_the_same_program_on_both_sides_is_never_brought_back() -> None:
    found = outcomes()
    assert found["fail"] == 0
    assert found["pass"] >= 0.95 * RUNS


def test_a_burden_of_the_machine_is_no_evidence_against_v2() -> None:
    assert outcomes(common=1.0)["fail"] == 0


def test_just_as_slow_as_allowed_is_brought_back_no_more_often_than_stated() -> None:
    found = outcomes(rules=replace(RULES, alpha=0.05), slower=0.2)
    assert found["fail"] <= 11  # binomial: more than 11 of 100 at a rate of 0.05 happens once in 230 such tests


def test_forty_percent_slower_does_not_pass() -> None:
    found = outcomes(slower=0.4)
    assert found["pass"] == 0
    assert found["fail"] >= 0.8 * RUNS


def test_seventy_percent_slower_is_always_brought_back() -> None:
    assert outcomes(slower=0.7)["fail"] == RUNS


def test_the_look_is_at_the_first_requests_whatever_comes_behind_them() -> None:
    counted = blocks(stream(3, 700), 10)
    wrecked = [Block(block.legacy, tuple(9 * time for time in block.v2)) for block in counted]
    assert SignedRank().compare(counted[:20] + wrecked[20:], RULES) == SignedRank().compare(counted[:20], RULES)
    assert SignedRank().compare(counted[:19], RULES) is None


def test_it_tells_how_much_slower_and_how_surely() -> None:
    found = SignedRank().compare(blocks(stream(5, 700, slower=0.5), 10), RULES)
    assert found is not None
    assert found.outcome is Outcome.FAIL
    assert found.slowdown == pytest.approx(0.5, abs=0.12)
    assert 0.2 < found.low < found.slowdown < found.high
    assert found.requests == 200


@pytest.mark.parametrize(("legacy", "limit"), [(100.0, 120.0), (1.0, 3.0), (10.0, 12.0)])
def test_what_is_allowed_is_a_share_or_so_many_milliseconds(legacy: float, limit: float) -> None:
    assert allowed(legacy, PerformanceGate(max_slowdown=0.2, tolerance_s=0.002)) == pytest.approx(limit)


def test_a_fast_service_is_not_brought_back_for_microseconds() -> None:
    fast = [Timed(side, 0.4 if side is V else 0.2, float(n)) for n in range(200) for side in (L, V)]
    found = SignedRank().compare(blocks(fast, 10), RULES)
    assert found is not None
    assert (found.outcome, round(found.slowdown, 6)) == (Outcome.PASS, 1.0)


def test_equal_to_the_microsecond_is_a_pass() -> None:
    same = [Timed(side, 0.2, float(n)) for n in range(200) for side in (L, V)]
    found = SignedRank().compare(blocks(same, 10), replace(RULES, max_slowdown=0.0, tolerance_s=0.0))
    assert found is not None
    assert found.outcome is Outcome.PASS
