"""The performance gate: what it waits for, what it says, and our own requests where clients send none."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.errors import BrokenError
from rollout.executor.ports import Copy, Look
from rollout.gates.own_requests import OwnRequests
from rollout.gates.performance import Performance
from rollout.gates.signed_rank import SignedRank
from rollout.gates.traffic import Traffic
from rollout.model.fleet import Kind, Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import HealthGate, PerformanceGate, TrafficGate
from rollout.model.sample import Sample
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.network.ask import Answer, Question
from rollout.perf.blocks import Timed
from tests.gates.performance_streams import L, V, stream

BEGAN = datetime(2026, 1, 5, 12, tzinfo=UTC)
RULES = PerformanceGate(min_requests=100, warm_up=10, tolerance_s=0.001)
SERVICE = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL, kind=Kind.HTTP, health_path="/health")


class FixedStream:
    """Says what it was told."""

    def __init__(self, said: Sequence[Timed] | Exception = ()) -> None:
        self.said = said

    def first(self, service: str, since: datetime) -> Sequence[Timed]:
        assert (service, since) == ("shop/api", BEGAN)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        return {side: Sample(runtime=side) for side in RuntimeName}


class Copies:
    """Both runtimes, and an asker whose answers take virtual time: 20 ms on legacy, `v2_ms` on v2."""

    def __init__(self, v2_ms: float = 20.0) -> None:
        self.v2_ms = v2_ms
        self.seconds = 0.0
        self.good = True
        self.gone = ""
        self.asked: list[tuple[str, str | None]] = []

    def inspect(self, service: str, token: str) -> Copy | None:
        side = L if token == "old" else V
        if side == self.gone:
            return None
        return Copy(service=service, runtime=side, token=token, running=1, wanted=1, addresses=(str(side),))

    def ask(self, address: str, question: Question) -> Answer:
        self.asked.append((address, question.path))
        self.seconds += (self.v2_ms if address == "v2" else 20.0) / 1000
        return Answer(self.good or address == "legacy", "said")

    def own(self) -> OwnRequests:
        sides = dict.fromkeys(RuntimeName, self)
        return OwnRequests(sides, HealthGate(), self.ask, lambda: self.seconds)  # type: ignore[arg-type]


def look(service: Service = SERVICE, **more: object) -> Look:
    move = Move(
        id="wave-1/shop/api",
        service="shop/api",
        wave=1,
        source=L,
        target=V,
        strategy=Strategy.OVERLAP,
        since=BEGAN,
        state=State.SHIFTING,
        source_token="old",
    )
    usual = Look(
        move=move,
        release=Release(service="shop/api", number=1, created=BEGAN, created_by="test", spec=service),
        side=V,
        token=move.token,
        since=BEGAN,
        now=BEGAN + timedelta(minutes=1),
        weight=50,
    )
    return replace(usual, **more)


def gate(said: Sequence[Timed] | Exception = (), copies: Copies | None = None, rules: PerformanceGate = RULES) -> Performance:
    return Performance(FixedStream(said), SignedRank(), rules, (copies or Copies()).own())


def test_forty_percent_slower_fails_with_numbers_rule_and_threshold() -> None:
    verdict = gate(stream(1, 500, slower=0.4, sigma=0.1)).look(look())
    assert verdict.outcome is Outcome.FAIL
    assert "% slower than legacy at the same time (median " in verdict.reason
    assert verdict.reason.endswith("100 requests each), allowed 20% or 1 ms")
    told = verdict.evidence
    assert told["requests"] == told["min_requests"] == 100
    assert (told["max_slowdown"], told["alpha"], told["warm_up"], told["quantile"]) == (0.2, 0.01, 10, 0.5)
    assert "same time" in str(told["rule"])
    assert float(str(told["chance"])) < 0.01
    assert told["legacy"]["p50_ms"] < told["v2"]["p50_ms"]
    assert told["instrument"] == "edge access log (Envoy)"


def test_equals_pass() -> None:
    assert gate(stream(2, 500)).look(look()).outcome is Outcome.PASS


def test_it_never_passes_for_want_of_data() -> None:
    everything = stream(2, 500)
    seen = [gate(everything[:n]).look(look()).outcome for n in range(0, 500, 10)]
    assert seen[0] is Outcome.INCONCLUSIVE
    first = seen.index(Outcome.PASS)
    assert first > 20
    assert set(seen[:first]) == {Outcome.INCONCLUSIVE}


def test_there_is_one_look_and_nothing_that_comes_later_changes_it() -> None:
    fine, bad = stream(2, 500), stream(3, 2000, slower=3.0)
    assert gate([*fine, *bad]).look(look()).evidence == gate(fine).look(look()).evidence


def test_it_says_what_it_waits_for() -> None:
    assert gate([]).look(look()).reason == "0 of 100 requests of each side at the same time behind the first 10"
    assert "of 100 requests of each side at the same time" in gate(stream(1, 100)).look(look()).reason


def test_a_cold_start_is_not_counted() -> None:
    requests = [Timed(side, 500.0 if side is V and n < 10 else 20.0, n / 10) for n in range(150) for side in (L, V)]
    assert gate(requests).look(look()).outcome is Outcome.PASS
    assert gate(requests, rules=replace(RULES, warm_up=0)).look(look()).evidence["v2"]["p99_ms"] > 400


def test_a_busy_service_is_looked_at_for_the_stated_time() -> None:
    busy = [Timed(side, 20.0, n / 1000) for n in range(1000) for side in (L, V)]
    assert gate(busy, rules=replace(RULES, over_s=5.0)).look(look()).outcome is Outcome.INCONCLUSIVE
    assert gate(busy, rules=replace(RULES, over_s=0.5)).look(look()).outcome is Outcome.PASS


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), BrokenError("the log is not there")])
def test_a_broken_instrument_is_an_error(error: Exception) -> None:
    verdict = gate(error).look(look())
    assert verdict.outcome is Outcome.ERROR
    assert str(error) in verdict.reason


def test_it_is_absent_where_the_edge_sees_no_requests() -> None:
    assert gate().absent(look().release) is None
    assert gate().absent(look(replace(SERVICE, kind=Kind.WORKER)).release) == "the edge sees no requests of a worker"


# our own requests


def probed(copies: Copies, looks: int = 5, service: Service = SERVICE) -> list[Outcome]:
    asked = gate([], copies)
    return [asked.look(look(service, final=True, probe=True)).outcome for _ in range(looks)]


def test_without_the_rule_probe_nothing_is_asked() -> None:
    copies = Copies()
    assert gate([], copies).look(look(final=True)).outcome is Outcome.INCONCLUSIVE
    assert copies.asked == []


def test_our_own_requests_go_to_both_sides_in_turn_and_are_judged_alike() -> None:
    copies = Copies()
    assert probed(copies)[-1] is Outcome.PASS
    assert copies.asked[:3] == [("legacy", "/health"), ("v2", "/health"), ("legacy", "/health")]
    assert len(copies.asked) == 2 * (RULES.min_requests + RULES.warm_up)
    assert probed(Copies(v2_ms=30))[-1] is Outcome.FAIL


def test_a_look_asks_for_a_while_and_the_next_goes_on() -> None:
    copies = Copies()
    assert probed(copies, 1) == [Outcome.INCONCLUSIVE]
    assert copies.seconds < 5
    assert "of our own requests" in gate([], copies).look(look(probe=True)).reason


def test_what_cannot_be_asked_stays_inconclusive_and_says_why() -> None:
    copies = Copies()
    assert probed(copies, 3, replace(SERVICE, health_path=None)) == [Outcome.INCONCLUSIVE] * 3
    assert copies.asked == []
    copies.gone = "legacy"
    assert probed(copies, 3) == [Outcome.INCONCLUSIVE] * 3


def test_clients_who_have_told_enough_are_not_overruled_by_our_own_requests() -> None:
    copies = Copies()
    assert gate(stream(1, 500, slower=0.4, sigma=0.1), copies).look(look(probe=True)).outcome is Outcome.FAIL
    assert copies.asked == []


@pytest.mark.parametrize(("rules", "asked"), [(TrafficGate(min_requests=4), 15), (TrafficGate(min_requests=4, quantile=0.9), 94)])
def test_as_many_are_asked_as_the_comparison_of_latencies_needs(rules: TrafficGate, asked: int) -> None:
    copies = Copies(v2_ms=21)
    verdict = Traffic(FixedStream(), rules, copies.own()).look(look(probe=True))
    assert (verdict.outcome, len(copies.asked)) == (Outcome.PASS, 2 * asked)
    latency = verdict.evidence["latency"]
    assert isinstance(latency, dict)
    assert latency["of"] == asked
    slow = Traffic(FixedStream(), TrafficGate(min_requests=4), Copies(v2_ms=90).own()).look(look(probe=True))
    assert slow.outcome is Outcome.FAIL


def test_the_traffic_gate_asks_by_itself_too() -> None:
    copies = Copies()
    traffic = Traffic(FixedStream(), TrafficGate(min_requests=20), copies.own())
    assert traffic.look(look()).outcome is Outcome.INCONCLUSIVE
    assert copies.asked == []
    verdict = traffic.look(look(probe=True))
    assert (verdict.outcome, verdict.reason.partition(":")[0]) == (Outcome.PASS, "by our own requests")
    assert verdict.evidence["v2"]["requests"] == 20
    broken = Copies()
    broken.good = False
    assert Traffic(FixedStream(), TrafficGate(min_requests=20), broken.own()).look(look(probe=True)).outcome is Outcome.FAIL
