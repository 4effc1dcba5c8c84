"""The edge as an instrument: what clients sent is what is counted, per service and runtime."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.edge.access_log import AccessLog
from rollout.edge.samples import LogSamples
from rollout.errors import BrokenError
from rollout.gates import hang_ups
from rollout.gates.traffic import judge
from rollout.host.ports import Route
from rollout.model.fleet import RuntimeName
from rollout.model.policy import TrafficGate
from rollout.model.verdict import Outcome
from rollout.perf.histogram import of

MakeCopy = Callable[[str], HttpCopy]
L, V = RuntimeName.LEGACY, RuntimeName.V2


def host_of(service: str) -> str:
    environment, _, name = service.partition("/")
    return f"{name}.{environment}.internal"


def test_samples_add_up_to_what_the_clients_sent(plain: RunningEdge, copies: MakeCopy) -> None:
    services = ["adds-up/api", "adds-up/web"]
    copy = {(service, side): copies(side) for service in services for side in ("legacy", "v2")}
    for service in services:
        legacy, v2 = copy[service, "legacy"].address, copy[service, "v2"].address
        plain.edge.write(Route(host_name=host_of(service), legacy=(legacy,), v2=(v2,), weight=40))
    began = datetime.now(UTC)
    sent: Counter[tuple[str, str]] = Counter()

    def client_of(service: str) -> Counter[tuple[str, str]]:
        with plain.client(host_of(service)) as client:
            return Counter((service, client.get("/").text) for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        for counted in pool.map(client_of, services * 2):
            sent += counted
    samples = LogSamples(AccessLog(plain.edge.places.log))

    def seen() -> Counter[tuple[str, str]]:
        return Counter(
            {(service, side.value): samples.read(service, began)[side].requests for service in services for side in (L, V)}
        )

    wait_for(lambda: seen() == sent, f"samples are {sent}")
    whole = samples.read(services[0], began)
    assert whole[L].latencies.n == whole[L].requests
    assert 0 < whole[L].latencies.lowest <= whole[L].latencies.highest < 60_000
    stream = samples.first(services[0], began)
    assert [request.side for request in stream].count(L) == whole[L].requests
    assert of(request.milliseconds for request in stream if request.side is V) == whole[V].latencies
    assert samples.read(services[0], datetime.now(UTC))[L].requests == 0


def test_failures_are_counted_for_the_side_that_failed(plain: RunningEdge, copies: MakeCopy) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    plain.edge.write(Route(host_name="api.fails.internal", legacy=(legacy.address,), v2=(v2.address,), weight=100))
    began = datetime.now(UTC)
    samples = LogSamples(AccessLog(plain.edge.places.log))
    with plain.client("api.fails.internal") as client:
        client.get("/")
        v2.status = 500
        client.get("/")
        v2.status = 0
        assert client.get("/").status_code == 503
        v2.status = 500
        client.get("/")
        assert client.get("/").text == "legacy"

    def numbers() -> tuple[int, ...]:
        found = samples.read("fails/api", began)
        return (found[V].requests, found[V].errors, found[V].shed, found[L].requests, found[L].errors)

    wait_for(lambda: numbers() == (4, 3, 1, 1, 0), "four to v2, three of them bad, one taken from it")
    seen = samples.read("fails/api", began)
    assert seen[V].first is not None
    assert seen[V].first_bad is not None
    assert began <= seen[V].first < seen[V].first_bad <= datetime.now(UTC)
    assert seen[L].first is not None
    assert seen[L].first > seen[V].first_bad
    assert seen[L].first_bad is None


def test_a_client_that_gave_up_waiting_is_counted_by_how_long_it_had_waited(plain: RunningEdge, copies: MakeCopy) -> None:
    copy = copies("legacy")
    plain.edge.write(Route(host_name="api.waits.internal", legacy=(copy.address,), v2=(), weight=0))
    began = datetime.now(UTC)
    copy.let_go.clear()
    with plain.client("api.waits.internal") as client, pytest.raises(httpx.ReadTimeout):
        client.get("/", timeout=0.2)
    samples = LogSamples(AccessLog(plain.edge.places.log))
    wait_for(lambda: samples.read("waits/api", began)[L].left.n == 1, "the request without an answer")
    found = samples.read("waits/api", began)[L]
    assert (found.requests, found.errors, found.latencies.n) == (1, 0, 0)
    assert 190 <= found.left.lowest < 60_000
    assert found.first_left is not None
    assert found.first_bad is None


def test_an_answer_that_broke_off_is_an_error_though_its_status_was_good(plain: RunningEdge, copies: MakeCopy) -> None:
    copy = copies("legacy")
    copy.withheld = 100
    plain.edge.write(Route(host_name="api.breaks.internal", legacy=(copy.address,), v2=(), weight=0))
    began = datetime.now(UTC)
    with plain.client("api.breaks.internal") as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/")
    samples = LogSamples(AccessLog(plain.edge.places.log))
    wait_for(lambda: samples.read("breaks/api", began)[L].errors == 1, "the answer that broke off")


def test_a_second_try_is_counted_apart_from_errors(running: RunningEdge, copies: MakeCopy) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    running.edge.write(Route(host_name="api.again.internal", legacy=(legacy.address,), v2=(v2.address,), weight=100))
    began = datetime.now(UTC)
    v2.status = 503
    with running.client("api.again.internal") as client:
        answer = client.get("/")
    assert (answer.status_code, answer.headers["x-rollout-runtime"]) == (200, "legacy")
    samples = LogSamples(AccessLog(running.edge.places.log))
    wait_for(lambda: samples.read("again/api", began)[V].retried == 1, "the second try")
    found = samples.read("again/api", began)[V]
    assert (found.requests, found.errors) == (1, 0)


def test_the_log_tells_each_request_by_the_clients_own_id(plain: RunningEdge, copies: MakeCopy) -> None:
    copy = copies("legacy")
    plain.edge.write(Route(host_name="api.ids.internal", legacy=(copy.address,), v2=(), weight=0))
    log = AccessLog(plain.edge.places.log)
    began = datetime.now(UTC).timestamp()
    with plain.client("api.ids.internal") as client:
        client.get("/", headers={"X-Request-Id": "mine-1"})
        client.get("/", headers={"X-Request-Id": "tab\tapi.fails.internal\tv2"})
        client.get("/")
    wait_for(lambda: len(list(log.lines(began))) >= 3, "three lines")
    ids = [line.request_id for line in log.lines(began) if line.host_name == "api.ids.internal"]
    assert ids[:2] == ["mine-1", "tab\tapi.fails.internal\tv2"]
    assert len(ids[2]) == 36
    assert [headers.get("x-request-id") for _, _, headers, _ in copy.seen] == ids


def test_nothing_is_lost_or_counted_twice_while_the_log_is_rotated(tmp_path: Path, copies: MakeCopy) -> None:
    world = RunningEdge(tmp_path / "edge", log_bytes=800)
    try:
        world.start()
        copy = copies("legacy")
        world.edge.write(Route(host_name="api.rotates.internal", legacy=(copy.address,), v2=(), weight=0))
        samples = LogSamples(AccessLog(world.edge.places.log))
        began = datetime.now(UTC)
        with world.client("api.rotates.internal") as client:
            for number in range(1, 101):
                client.get("/")
                if number % 10 == 0:
                    wait_for(lambda n=number: samples.read("rotates/api", began)[L].requests == n, f"{number} requests")
                    world.edge.tend()
        older = list(world.edge.folder.glob("access.log.*"))
        assert len(older) == 3
        assert sum(path.stat().st_size for path in older) < 3 * 2000
    finally:
        world.close()


def test_without_a_log_the_instrument_says_so(tmp_path: Path) -> None:
    with pytest.raises(BrokenError):
        LogSamples(AccessLog(tmp_path / "access.log")).read("shop/api", datetime.now(UTC))


@pytest.mark.parametrize(("patience_s", "outcome"), [(0.02, Outcome.INCONCLUSIVE), (1.2, Outcome.FAIL)])
def test_a_v2_that_hangs_falls_when_clients_wait_longer_than_they_need_to(
    plain: RunningEdge, copies: MakeCopy, patience_s: float, outcome: Outcome
) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    host = f"api.hangs-{outcome}.internal"
    began = datetime.now(UTC)
    samples = LogSamples(AccessLog(plain.edge.places.log))
    plain.edge.write(Route(host_name=host, legacy=(legacy.address,), v2=(v2.address,), weight=100))
    v2.let_go.clear()

    def leave(_: int) -> None:
        with plain.client(host) as client, pytest.raises(httpx.ReadTimeout):
            client.get("/", timeout=httpx.Timeout(20.0, read=patience_s))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(8)))
    service = f"hangs-{outcome}/api"
    wait_for(lambda: samples.read(service, began)[V].left.n == 8, "eight clients left")
    seen = samples.read(service, began)
    limit = hang_ups.limit_ms(seen[L])
    found = judge(hang_ups.judged(seen[V], limit), hang_ups.judged(seen[L], limit), TrafficGate())
    assert found.outcome is outcome, (limit, seen[V])
