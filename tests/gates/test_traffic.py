"""The traffic gate: its rule as a table, what it compares with, and a broken instrument."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.errors import BrokenError
from rollout.executor.ports import Look
from rollout.gates.traffic import Traffic, judge
from rollout.model.fleet import Kind, Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import TrafficGate
from rollout.model.sample import Sample
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict
from rollout.perf.histogram import of

BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)
RULES = TrafficGate(min_requests=20, max_increase=0.02)
L, V = RuntimeName.LEGACY, RuntimeName.V2


def sample(runtime: RuntimeName, requests: int, errors: int = 0, retried: int = 0, shed: int = 0) -> Sample:
    return Sample(runtime=runtime, requests=requests, errors=errors, retried=retried, shed=shed)


@pytest.mark.parametrize(
    ("v2", "legacy", "outcome"),
    [
        pytest.param((0,), (100,), "inconclusive", id="no data is no pass"),
        pytest.param((19,), (100,), "inconclusive", id="one request short"),
        pytest.param((20,), (100,), "pass", id="enough and none failed"),
        pytest.param((20, 1), (100,), "inconclusive", id="one of twenty is no proof"),
        pytest.param((100, 2), (100,), "pass", id="exactly the allowed rate"),
        pytest.param((100, 3), (100,), "inconclusive", id="just above, may be chance"),
        pytest.param((100, 6), (100,), "fail", id="clearly above"),
        pytest.param((100, 6), (100, 6), "pass", id="legacy is as bad"),
        pytest.param((10_000, 260), (10_000,), "fail", id="slightly above with many requests"),
        pytest.param((2, 2), (100,), "inconclusive", id="two of two may be chance"),
        pytest.param((3, 3), (100,), "fail", id="three of three are decisive"),
        pytest.param((12, 10), (100,), "fail", id="ten of twelve do not wait for n"),
        pytest.param((12, 10), (12, 10), "inconclusive", id="both broken: not v2's fault"),
        pytest.param((500, 500), (500, 500), "pass", id="nothing is worse than all"),
        pytest.param((100, 0, 6), (100,), "fail", id="saved by a second try is a failure"),
        pytest.param((1000, 3, 0, 0), (1000,), "pass", id="three of a thousand"),
        pytest.param((0, 0, 0, 5), (100,), "fail", id="nothing reached it, it was broken before"),
        pytest.param((1000, 3, 0, 60), (1000,), "fail", id="then its traffic was taken away"),
    ],
)
def test_the_rule(v2: tuple[int, ...], legacy: tuple[int, ...], outcome: str) -> None:
    assert judge(sample(V, *v2), sample(L, *legacy), RULES).outcome.value == outcome


class FixedSamples:
    """Says what it was told, by the time that is asked for."""

    def __init__(self, said: dict[datetime, dict[RuntimeName, Sample]] | Exception) -> None:
        self.said = said

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        assert service == "shop/api"
        if isinstance(self.said, Exception):
            raise self.said
        return self.said[since]


def look(kind: Kind = Kind.HTTP) -> Look:
    service = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL, kind=kind)
    move = Move(
        id="wave-1/shop/api",
        service="shop/api",
        wave=1,
        source=L,
        target=V,
        strategy=Strategy.OVERLAP,
        since=BEGAN,
    )
    return Look(
        move=move,
        release=Release(service="shop/api", number=1, created=BEGAN, created_by="test", spec=service),
        side=V,
        token=move.token,
        since=BEGAN,
        now=BEGAN + timedelta(minutes=1),
        weight=50,
    )


def test_the_same_time_is_compared_where_legacy_has_enough() -> None:
    samples = FixedSamples({BEGAN: {V: sample(V, 100, 6), L: sample(L, 20, 1)}})
    verdict = Traffic(samples, RULES).look(look())
    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence["legacy"] == {
        "requests": 20,
        "errors": 1,
        "retried": 0,
        "shed": 0,
        "rate": 0.05,
        "when": "same time",
    }
    assert (verdict.evidence["max_increase"], verdict.evidence["min_requests"]) == (0.02, 20)
    assert verdict.at == BEGAN + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("earlier", "outcome", "when"),
    [
        ((100, 5), "pass", "from an hour before"),
        ((100, 0), "fail", "from an hour before"),
        ((0,), "fail", "no requests, taken as 0"),
    ],
)
def test_at_100_percent_legacy_is_what_it_was_before(earlier: tuple[int, ...], outcome: str, when: str) -> None:
    samples = FixedSamples(
        {
            BEGAN: {V: sample(V, 100, 6), L: sample(L, 0)},
            BEGAN - timedelta(hours=1): {V: sample(V, 100, 6), L: sample(L, *earlier)},
        }
    )
    verdict = Traffic(samples, RULES).look(look())
    assert verdict.outcome.value == outcome
    legacy = verdict.evidence["legacy"]
    assert isinstance(legacy, dict)
    assert legacy["when"] == when


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), BrokenError("the log is not there")])
def test_a_broken_instrument_is_an_error_and_no_failure(error: Exception) -> None:
    verdict = Traffic(FixedSamples(error), RULES).look(look())
    assert verdict.outcome is Outcome.ERROR
    assert str(error) in verdict.reason


def test_it_is_absent_where_the_edge_sees_no_requests() -> None:
    gate = Traffic(FixedSamples({}), RULES)
    assert gate.absent(look().release) is None
    assert gate.absent(look(Kind.WORKER).release) == "the edge sees no requests of a worker"
    assert not gate.proves


# latency


def timed(runtime: RuntimeName, n: int, milliseconds: float) -> Sample:
    return replace(sample(runtime, n), latencies=of([milliseconds] * n))


def shifting(state: State = State.SHIFTING) -> Look:
    return replace(look(), move=replace(look().move, state=state))


def judged(v2: Sample, legacy: Sample, state: State = State.SHIFTING) -> Verdict:
    earlier = {V: sample(V, 0), L: timed(L, 1000, 1.0)}
    samples = FixedSamples({BEGAN: {V: v2, L: legacy}, BEGAN - timedelta(hours=1): earlier})
    return Traffic(samples, RULES).look(shifting(state))


def test_much_slower_than_legacy_at_the_same_time_fails() -> None:
    verdict = judged(timed(V, 100, 90.0), timed(L, 100, 20.0))
    assert verdict.outcome is Outcome.FAIL
    assert "much slower than legacy at the same time: 100 of 100 requests took longer than 4" in verdict.reason
    latency = verdict.evidence["latency"]
    assert isinstance(latency, dict)
    assert latency["v2_ms"] == pytest.approx(90, rel=0.01)
    assert (latency["slower"], latency["of"], latency["max_slowdown"]) == (100, 100, 1.0)


def test_a_slowdown_that_is_allowed_passes_here() -> None:
    assert judged(timed(V, 100, 38.0), timed(L, 100, 20.0)).outcome is Outcome.PASS


def test_latency_is_judged_from_min_requests_on() -> None:
    assert judged(timed(V, 19, 900.0), timed(L, 100, 20.0)).outcome is Outcome.INCONCLUSIVE
    assert judged(timed(V, 20, 900.0), timed(L, 100, 20.0)).outcome is Outcome.FAIL


def test_while_both_serve_a_legacy_that_nobody_asked_is_no_pass() -> None:
    verdict = judged(timed(V, 100, 20.0), timed(L, 3, 20.0))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "legacy answered 3 requests at the same time" in verdict.reason


def test_at_100_percent_latency_is_not_compared_with_another_time() -> None:
    verdict = judged(timed(V, 100, 900.0), timed(L, 0, 1.0), State.BAKING)
    assert verdict.outcome is Outcome.PASS
    assert "too few" in str(verdict.evidence["latency"])


def test_it_says_in_words_that_change_seldom_what_it_waits_for() -> None:
    waits = [judge(sample(V, n), sample(L, 100), RULES).waits_for for n in range(RULES.min_requests)]
    assert waits[0] == f"traffic on v2 (0 of {RULES.min_requests} requests)"
    assert waits[-1] == f"traffic on v2 ({RULES.min_requests * 9 // 10} or more of {RULES.min_requests} requests)"
    assert len(set(waits)) <= 11


def test_requests_that_went_to_legacy_after_v2_broke_are_told_apart() -> None:
    finding = judge(sample(V, 10, errors=3, shed=5), sample(L, 100), RULES)
    assert "v2 failed 8 of 15 (53.3%, 5 of them sent to legacy after it broke), legacy 0.0%" in finding.reason
