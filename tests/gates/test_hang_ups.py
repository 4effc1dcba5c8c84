"""Clients that hang up: the impatient bring no good v2 down, a v2 that hangs until they leave falls."""

from datetime import UTC, datetime

import pytest

from rollout.gates import hang_ups
from rollout.gates.traffic import judge
from rollout.model.fleet import RuntimeName
from rollout.model.policy import TrafficGate
from rollout.model.sample import Sample
from rollout.perf.histogram import of

BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)
RULES = TrafficGate(min_requests=20, max_increase=0.02)
ANSWERED_MS = 100.0
SOON_MS, LATE_MS = 30.0, 5000.0


def sample(runtime: RuntimeName, answered: int, soon: int = 0, late: int = 0) -> Sample:
    return Sample(
        runtime=runtime,
        requests=answered + soon + late,
        latencies=of([ANSWERED_MS] * answered),
        left=of([SOON_MS] * soon + [LATE_MS] * late),
        first_left=BEGAN if soon + late else None,
    )


@pytest.mark.parametrize(
    ("v2", "legacy", "outcome"),
    [
        pytest.param((200, 100, 0), (200, 0, 0), "pass", id="impatient clients, a good v2"),
        pytest.param((0, 100, 0), (200, 0, 0), "inconclusive", id="nobody waited: nothing is known"),
        pytest.param((200, 0, 40), (200, 0, 0), "fail", id="v2 hung until they left"),
        pytest.param((0, 0, 20), (200, 0, 0), "fail", id="v2 answers nothing"),
        pytest.param((200, 0, 40), (200, 0, 40), "pass", id="legacy hangs as well"),
        pytest.param((0, 0, 20), (0, 0, 0), "fail", id="nothing is known of legacy: longer than a second"),
    ],
)
def test_the_rule(v2: tuple[int, int, int], legacy: tuple[int, int, int], outcome: str) -> None:
    new, old = sample(RuntimeName.V2, *v2), sample(RuntimeName.LEGACY, *legacy)
    limit = hang_ups.limit_ms(old)
    assert judge(hang_ups.judged(new, limit), hang_ups.judged(old, limit), RULES).outcome.value == outcome


def test_the_limit_is_what_legacy_needs_at_its_slowest_and_no_less_than_people_can_tell() -> None:
    assert hang_ups.limit_ms(sample(RuntimeName.LEGACY, 100)) == pytest.approx(ANSWERED_MS, rel=0.01)
    assert hang_ups.limit_ms(Sample(runtime=RuntimeName.LEGACY, requests=9, latencies=of([1.0] * 9))) == 50.0
    assert hang_ups.limit_ms(Sample(runtime=RuntimeName.LEGACY)) == 1000.0


def test_the_numbers_and_the_time_are_in_the_evidence() -> None:
    new, old = sample(RuntimeName.V2, 10, 3, 2), sample(RuntimeName.LEGACY, 10, 1)
    limit = hang_ups.limit_ms(old)
    found = hang_ups.numbers(new, old, limit)
    assert (found["v2"], found["v2_counted"], found["legacy"], found["legacy_counted"]) == (5, 2, 1, 0)
    counted = hang_ups.judged(new, limit)
    assert (counted.requests, counted.errors, counted.first_bad) == (12, 2, BEGAN)
    assert hang_ups.judged(sample(RuntimeName.V2, 10, 3), limit).first_bad is None
