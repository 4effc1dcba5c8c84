"""Every failed request has exactly one owner, and a gap is what is left of it outside the declared downtime."""

import pytest

from rollout.demo.accounting import Downtime, Planted, Seen, Shot, account, longest_gap_ms
from rollout.model.fleet import RuntimeName

FAULT = {"shop/search": Planted(frozenset({500}), until=100.0)}


def shot(service: str, identity: str, at: float, status: int) -> Shot:
    return Shot(service, identity, at, at + 0.01, status)


def on(service: str, runtime: RuntimeName, status: int) -> Seen:
    return Seen(service, runtime, status)


def test_a_planted_answer_is_known_by_its_request_id_in_the_log_of_the_edge() -> None:
    shots = [shot("shop/search", "a", 10, 500), shot("shop/search", "b", 11, 200)]
    seen = {"a": on("shop/search", RuntimeName.V2, 500)}
    result = account(shots, seen, planted=FAULT, downtimes=[])
    assert (result.sent, result.failed, result.failed_planted) == (2, 1, 1)
    assert result.planted_by_service == {"shop/search": 1}
    assert result.failed_outside_declared_downtime == 0


@pytest.mark.parametrize(
    ("service", "at", "status", "line"),
    [
        ("shop/search", 10, 500, None),
        ("shop/search", 10, 500, on("shop/search", RuntimeName.LEGACY, 500)),
        ("shop/search", 10, 503, on("shop/search", RuntimeName.V2, 503)),
        ("shop/search", 10, 503, on("shop/search", RuntimeName.V2, 500)),
        ("shop/search", 10, 500, on("shop/api", RuntimeName.V2, 500)),
        ("shop/search", 101, 500, on("shop/search", RuntimeName.V2, 500)),
        ("shop/api", 10, 500, on("shop/api", RuntimeName.V2, 500)),
    ],
    ids=["not in the log", "on legacy", "another status", "the log differs", "another service", "repaired", "no fault there"],
)
def test_what_the_fault_did_not_produce_is_not_excused_by_it(service: str, at: float, status: int, line: Seen | None) -> None:
    seen = {"a": line} if line else {}
    result = account([shot(service, "a", at, status)], seen, planted=FAULT, downtimes=[])
    assert (result.failed_planted, result.failed_outside_declared_downtime) == (0, 1)
    assert result.outside_by_service == {service: 1}


def test_a_failure_in_the_declared_gap_counts_there_and_beside_it_outside() -> None:
    gaps = [Downtime("shop/ledger", 20, 22)]
    shots = [
        shot("shop/ledger", "before", 19.5, 503),
        shot("shop/ledger", "in", 21, 503),
        shot("shop/ledger", "after", 22.5, 503),
        shot("shop/orders", "other service", 21, 503),
    ]
    result = account(shots, {}, planted={}, downtimes=gaps)
    assert result.failed_in_declared_downtime == 1
    assert result.failed_outside_declared_downtime == 3
    assert result.failed == 4


def test_no_answer_at_all_is_a_failure_and_a_retry_is_counted() -> None:
    seen = {"a": Seen("shop/api", RuntimeName.V2, 200, retried=True)}
    result = account([shot("shop/api", "a", 1, 200), shot("shop/api", "b", 2, 0)], seen, planted={}, downtimes=[])
    assert (result.failed_outside_declared_downtime, result.retried) == (1, 1)


def test_the_longest_gap_is_per_service_between_good_answers() -> None:
    shots = [
        shot("a/a", "1", 0.0, 200),
        shot("b/b", "2", 0.5, 200),
        shot("a/a", "3", 0.7, 503),
        shot("a/a", "4", 1.2, 200),
        shot("b/b", "5", 1.1, 200),
    ]
    assert longest_gap_ms(shots, []) == pytest.approx(1200)


def test_declared_downtime_is_taken_out_of_a_gap_and_only_of_that_service() -> None:
    shots = [shot("a/a", "1", 0.0, 200), shot("a/a", "2", 5.0, 200), shot("b/b", "3", 0.0, 200), shot("b/b", "4", 2.0, 200)]
    assert longest_gap_ms(shots, [Downtime("a/a", 0.5, 4.5)]) == pytest.approx(2000)
    assert longest_gap_ms(shots, [Downtime("b/b", 0.5, 4.5)]) == pytest.approx(5000)


def test_without_answers_there_is_no_gap_to_tell() -> None:
    assert longest_gap_ms([], []) == 0.0
