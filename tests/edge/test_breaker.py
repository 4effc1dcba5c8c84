"""A v2 copy that breaks loses its traffic at the edge, without anything of ours."""

from collections import Counter
from collections.abc import Callable, Sequence

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]
NOBODY = "127.0.0.1:1"


def answers(client: httpx.Client, number: int, method: str = "GET") -> Counter[tuple[int, str]]:
    found = [client.request(method, "/") for _ in range(number)]
    return Counter((a.status_code, a.headers.get("x-rollout-runtime", "")) for a in found)


def write(edge: RunningEdge, name: str, legacy: Sequence[str], v2: Sequence[str], weight: int) -> None:
    edge.edge.write(Route(host_name=name, legacy=tuple(legacy), v2=tuple(v2), weight=weight))


def break_v2(edge: RunningEdge, client: httpx.Client, name: str, legacy: HttpCopy, v2: HttpCopy) -> None:
    """The v2 copy has failed so often that its traffic has gone to legacy."""
    v2.status = 500
    write(edge, name, [legacy.address], [v2.address], 100)
    answers(client, 6)
    assert v2.address in edge.edge.failing()


@pytest.mark.parametrize("fault", ["status", "reset", "refused"])
def test_after_three_failures_in_a_row_legacy_serves(plain: RunningEdge, copies: MakeCopy, name: str, fault: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    v2.status = {"status": 500, "reset": 0, "refused": 200}[fault]
    address = NOBODY if fault == "refused" else v2.address
    write(plain, name, [legacy.address], [address], 100)
    with plain.client(name) as client:
        found = answers(client, 60)
    bad = sum(number for (status, _), number in found.items() if status >= 500)
    assert 3 <= bad <= 4, found
    assert found[200, "legacy"] == 60 - bad
    assert plain.edge.failing()[address] >= 3


def test_failures_that_good_answers_part_do_not_trip(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    v2 = copies("v2")
    write(plain, name, [copies("legacy").address], [v2.address], 100)
    with plain.client(name) as client:
        for status in [500, 500, 200] * 5:
            v2.status = status
            assert client.get("/").status_code == status
    assert v2.address not in plain.edge.failing()


def test_after_its_rest_it_is_tried_again_and_one_failure_is_enough(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    write(plain, name, [legacy.address], [v2.address], 100)
    v2.status = 500
    trip = plain.edge.places.trips / v2.address
    with plain.client(name) as client:
        answers(client, 5)
        trip.write_text("1000\n2000\n3000\n")  # long ago
        assert answers(client, 5) == {(500, "v2"): 1, (200, "legacy"): 4}
        trip.write_text("1000\n2000\n3000\n")
        v2.status = 200
        assert answers(client, 5) == {(200, "v2"): 5}
    assert not trip.exists()


def test_only_the_broken_replica_loses_its_traffic(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    good, bad = copies("good"), copies("bad")
    bad.status = 503
    write(plain, name, [copies("legacy").address], [good.address, bad.address], 100)
    with plain.client(name) as client:
        found = answers(client, 60)
    assert 3 <= found[503, "v2"] <= 4
    assert found[200, "v2"] == 60 - found[503, "v2"]


def test_when_all_replicas_are_broken_the_other_side_serves(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    bad = [copies("a"), copies("b")]
    for copy in bad:
        copy.status = 503
    write(plain, name, [copies("legacy").address], [copy.address for copy in bad], 100)
    with plain.client(name) as client:
        answers(client, 12)
        assert answers(client, 30) == {(200, "legacy"): 30}


def test_broken_without_another_side_it_still_gets_its_requests(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    v2 = copies("v2")
    write(plain, name, [], [v2.address], 100)
    v2.status = 503
    trip = plain.edge.places.trips / v2.address
    with plain.client(name) as client:
        assert answers(client, 30) == {(503, "v2"): 30}
        assert trip.stat().st_size < 100
        v2.status = 200
        assert answers(client, 10) == {(200, "v2"): 10}


def test_a_legacy_service_with_errors_of_its_own_stays_on_legacy(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy = copies("legacy")
    legacy.status = 500
    write(plain, name, [legacy.address], [copies("v2").address], 0)
    with plain.client(name) as client:
        assert answers(client, 20) == {(500, "legacy"): 20}


def test_a_new_copy_on_an_old_address_begins_without_a_history(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    with plain.client(name) as client:
        break_v2(plain, client, name, legacy, v2)
        write(plain, name, [legacy.address], [], 0)
        assert v2.address not in plain.edge.failing()
        v2.status = 200
        write(plain, name, [legacy.address], [v2.address], 100)
        assert answers(client, 5) == {(200, "v2"): 5}


def test_the_trip_holds_over_a_change_of_weight_and_a_removal_forgets_it(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    with plain.client(name) as client:
        break_v2(plain, client, name, legacy, v2)
        write(plain, name, [legacy.address], [v2.address], 50)
        assert answers(client, 20) == {(200, "legacy"): 20}
    plain.edge.remove(name)
    assert v2.address not in plain.edge.failing()


@pytest.mark.parametrize(("method", "fault"), [("GET", 500), ("GET", 0), ("GET", None), ("POST", None)])
def test_with_retries_the_client_sees_no_failure(
    running: RunningEdge, copies: MakeCopy, name: str, method: str, fault: int | None
) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    v2.status = 200 if fault is None else fault
    write(running, name, [legacy.address], [NOBODY if fault is None else v2.address], 100)
    with running.client(name) as client:
        assert answers(client, 12, method) == {(200, "legacy"): 12}


def test_a_post_that_failed_is_not_sent_twice(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    v2.status = 500
    write(running, name, [legacy.address], [v2.address], 100)
    with running.client(name) as client:
        assert answers(client, 1, "POST") == {(500, "v2"): 1}
    assert (len(v2.seen), len(legacy.seen)) == (1, 0)


def test_a_dead_legacy_copy_is_helped_out_by_v2_where_that_has_traffic(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    v2 = copies("v2")
    with running.client(name) as client:
        write(running, name, [NOBODY], [v2.address], 50)
        assert answers(client, 20) == {(200, "v2"): 20}
        write(running, name, [NOBODY], [v2.address], 0)
        assert answers(client, 5) == {(503, "legacy"): 5}


def test_a_client_cannot_say_how_often_it_is_tried_or_where_it_goes(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    v2.status = 503
    write(plain, name, [legacy.address], [v2.address], 100)
    own = {
        "x-envoy-retry-on": "5xx",
        "x-envoy-max-retries": "5",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-dst-host": legacy.address,
    }
    with plain.client(name) as client:
        assert client.get("/", headers=own).status_code == 503
    assert (len(v2.seen), len(legacy.seen)) == (1, 0)
    assert not any(header.startswith("x-envoy-retry") for header in v2.seen[0][2])


def test_requests_in_a_burst_are_shed_over_all_workers(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    v2.status = 500
    write(plain, name, [legacy.address], [v2.address], 100)
    clients = [plain.client(name) for _ in range(8)]
    try:
        found: Counter[tuple[int, str]] = Counter()
        for _ in range(5):
            for client in clients:
                found += answers(client, 1)
        assert found[500, "v2"] <= 4, found
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: plain.edge.in_flight([v2.address]) == 0, "nothing is in flight")
