"""The document has the keys of the promise, and every broken promise is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from rollout.demo.accounting import Requests
from rollout.demo.document import NOTHING_SENT, Record, not_as_told
from rollout.demo.events import Ended, FellBack
from rollout.model.fleet import Tier
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison

GOOD = Requests(
    sent=5000,
    failed=7,
    failed_planted=3,
    failed_in_declared_downtime=4,
    failed_outside_declared_downtime=0,
    retried=0,
    planted_by_service={"shop/search": 3},
    outside_by_service={},
)

PLANTED = {"shop/search": "traffic: ", "shop/coupons": "it ended"}
COMPARED = Comparison(
    service="shop/search", legacy_p50_ms=1.0, v2_p50_ms=None, legacy_p99_ms=2.5, v2_p99_ms=None, verdict=Outcome.PASS, reason="…"
)


def record() -> Record:
    return Record(
        services={"v2": 9},
        waves=[Ended(wave="wave-1", tier=Tier.TRIAL, moved=1, fell_back=1, seconds=4.321)],
        fallbacks=[
            FellBack(service="shop/coupons", reason="it ended"),
            FellBack(service="shop/search", reason="traffic: errors"),
        ],
        requests=GOOD,
        neighbour_calls=300,
        port_changes={"bank/rates": 2},
        performance=[COMPARED],
        stayed=["bank/cards"],
        longest_gap_ms=120.0,
        finalized=True,
        seconds=51.26,
    )


def complaints(changed: Record) -> list[str]:
    return not_as_told(changed, services=9, planted=PLANTED, pinned=["bank/cards"])


def test_the_document_has_exactly_the_promised_keys() -> None:
    document = record().document()
    assert list(document) == [
        "services",
        "waves",
        "fallbacks",
        "requests",
        "longest_gap_ms",
        "performance",
        "finalized",
        "seconds",
        "leftovers",
    ]
    assert document["performance"] == [
        {
            "service": "shop/search",
            "legacy_p50_ms": 1.0,
            "v2_p50_ms": None,
            "legacy_p99_ms": 2.5,
            "v2_p99_ms": None,
            "verdict": "pass",
        }
    ]
    assert document["services"] == {"legacy": 0, "v2": 9}
    assert document["waves"] == [{"name": "wave-1", "tier": "trial", "moved": 1, "fell_back": 1, "seconds": 4.3}]
    assert list(document["requests"]) == [  # type: ignore[call-overload]
        "sent",
        "failed",
        "failed_planted",
        "failed_in_declared_downtime",
        "failed_outside_declared_downtime",
        "retried",
    ]
    assert list(Record().document("interrupted")) == [*document, "error"]


def test_a_demo_that_went_as_told_has_no_complaint() -> None:
    assert complaints(record()) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: replace(r, services={"v2": 8, "legacy": 1}), "on v2"),
        (lambda r: replace(r, fallbacks=r.fallbacks[:1]), "shop/search should have fallen back"),
        (lambda r: replace(r, fallbacks=[*r.fallbacks, r.fallbacks[0]]), "once each"),
        (lambda r: replace(r, finalized=False), "written off"),
        (lambda r: replace(r, leftovers=["process 7: x"]), "process 7"),
        (lambda r: replace(r, requests=replace(GOOD, sent=999)), "999 requests"),
        (
            lambda r: replace(r, requests=replace(GOOD, failed_outside_declared_downtime=1, outside_by_service={"a/b": 1})),
            "a/b 1",
        ),
        (lambda r: replace(r, requests=replace(GOOD, planted_by_service={"shop/search": 6})), "shop/search 6"),
        (lambda r: replace(r, requests=replace(GOOD, failed_planted=0, planted_by_service={})), "not understood"),
        (lambda r: replace(r, requests=replace(GOOD, retried=1)), "tried twice"),
        (lambda r: replace(r, unlogged=2), "2 answered requests"),
        (lambda r: replace(r, neighbour_calls=0), "neighbour"),
        (lambda r: replace(r, port_changes={"bank/rates": 1}), "answered on 1 ports"),
        (lambda r: replace(r, stayed=[]), "left out bank/cards"),
        (lambda r: replace(r, fallbacks=[r.fallbacks[0], replace(r.fallbacks[1], reason="health")]), "another reason: health"),
    ],
)
def test_each_broken_promise_is_named(change: Callable[[Record], Record], word: str) -> None:
    found = complaints(change(record()))
    assert len(found) == 1
    assert word in found[0]


def test_without_traffic_only_the_moves_are_judged() -> None:
    silent = replace(record(), requests=NOTHING_SENT, neighbour_calls=0)
    assert not_as_told(silent, services=9, planted=PLANTED, pinned=["bank/cards"], traffic=False) == []
    assert len(complaints(silent)) == 3
