"""One Envoy in the rooms of all environments: real namespaces, asked from inside and by the public port."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.edge.access_log import AccessLog
from rollout.edge.samples import LogSamples
from rollout.edge.settings import EdgeSettings
from rollout.host.ports import Route
from rollout.model.fleet import RuntimeName
from tests.edge.rooms_rig import RealRoom, room

MakeCopy = Callable[[str], HttpCopy]
L, V = RuntimeName.LEGACY, RuntimeName.V2


@pytest.fixture
def shop() -> Iterator[RealRoom]:
    with room(1, "shop") as made:
        yield made


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RunningEdge]:
    """An Envoy without retries: every failure of a copy is seen."""
    with RunningEdge(tmp_path / "strict", EdgeSettings(retries=False)) as world:
        yield world


def route(at: RealRoom, *, legacy: list[HttpCopy], v2: list[HttpCopy], weight: int, number: int = 7, name: str = "api") -> Route:
    return Route(
        host_name=f"{name}.{at.room.environment}.internal",
        legacy=tuple(c.address for c in legacy),
        v2=tuple(c.address for c in v2),
        weight=weight,
        environment=at.room.environment,
        address=at.service(number),
    )


def answers(client: httpx.Client, number: int) -> Counter[str]:
    return Counter(client.get("/").text for _ in range(number))


def test_a_service_is_asked_by_its_address_and_by_its_name(edge: RunningEdge, shop: RealRoom) -> None:
    legacy, v2 = shop.copy("legacy"), shop.copy("v2")
    edge.edge.rooms([shop.room])
    written = route(shop, legacy=[legacy], v2=[v2], weight=30)
    edge.edge.write(written)
    assert edge.edge.routes.read(written.host_name) == written
    with shop.client(shop.service(7)) as private:
        found = answers(private, 200)
    assert 30 <= found["v2"] <= 90
    assert found.total() == found["v2"] + found["legacy"]
    with edge.client("api.shop.internal") as public:
        found = answers(public, 200)
    assert 30 <= found["v2"] <= 90
    assert found.total() == found["v2"] + found["legacy"]


@pytest.mark.parametrize("port", [80, 1234, 10_000])
def test_any_port_leads_to_it_and_the_host_name_passes_untouched(edge: RunningEdge, shop: RealRoom, port: int) -> None:
    copy = shop.copy("v2")
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[], v2=[copy], weight=100))
    with shop.client(shop.service(7), "Some.Name.example:77", port) as client:
        answer = client.get("/path?x=1", headers={"x-rollout-tries": "tries"})
    assert (answer.status_code, answer.text, answer.headers["x-rollout-runtime"]) == (200, "v2", "v2")
    [(method, path, headers, _)] = copy.seen
    assert (method, path, headers["host"]) == ("GET", "/path?x=1", "Some.Name.example:77")
    assert not any("tries" in name.lower() for name in headers)


def test_only_the_addresses_of_its_own_services_lead_anywhere(edge: RunningEdge, shop: RealRoom, bank: RealRoom) -> None:
    edge.edge.rooms([shop.room, bank.room])
    edge.edge.write(route(shop, legacy=[shop.copy("shop")], v2=[], weight=0))
    stolen = Route(
        host_name="x.bank.internal", legacy=("127.0.0.1:1",), v2=(), weight=0, environment="bank", address=shop.service(8)
    )
    edge.edge.write(stolen)
    for number, status in ((7, 200), (8, 404), (9, 404)):
        with shop.client(shop.service(number), "api.shop.internal") as client:
            answer = client.get("/")
            assert answer.status_code == status
            assert status == 200 or "no service of this address" in answer.text
    with bank.client(bank.service(7), "api.shop.internal") as client:
        assert client.get("/").status_code == 404
    with bank.client(shop.service(7)) as client, pytest.raises(httpx.TransportError):
        client.get("/")


def test_without_a_copy_or_a_route_it_says_so(edge: RunningEdge, shop: RealRoom) -> None:
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[], v2=[], weight=0))
    with shop.client(shop.service(7)) as client:
        assert (client.get("/").status_code, client.get("/").text) == (503, "no copy of this service runs\n")
        (edge.edge.places.routes / "api.shop.internal").write_text("half")
        assert client.get("/").status_code == 503
        edge.edge.write(route(shop, legacy=[], v2=[shop.copy("v2")], weight=0))
        assert client.get("/").text == "v2"
        edge.edge.remove("api.shop.internal")
        edge.edge.remove("api.shop.internal")
        assert client.get("/").status_code == 404
    assert list(edge.edge.places.addresses.iterdir()) == []


def test_a_service_that_got_another_address_has_only_that_one(edge: RunningEdge, shop: RealRoom) -> None:
    copy = shop.copy("v2")
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[], v2=[copy], weight=0, number=7))
    edge.edge.write(route(shop, legacy=[], v2=[copy], weight=0, number=8))
    with shop.client(shop.service(7)) as old, shop.client(shop.service(8)) as new:
        assert (old.get("/").status_code, new.get("/").text) == (404, "v2")
        edge.edge.write(route(shop, legacy=[], v2=[shop.copy("other")], weight=0, number=8, name="other"))
        edge.edge.remove("api.shop.internal")
        assert new.get("/").text == "other", "it is not taken from the one that has it by now"


def test_a_copy_that_only_has_ipv4_is_asked_by_its_ipv4_address(edge: RunningEdge, shop: RealRoom) -> None:
    old, new = shop.copy("old", ipv4=True), shop.copy("new")
    assert old.address.startswith("100.64.")
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[old], v2=[new], weight=50))
    with shop.client(shop.service(7)) as private, edge.client("api.shop.internal") as public:
        assert set(answers(private, 40)) == set(answers(public, 40)) == {"old", "new"}


def test_copies_on_the_host_and_in_the_room_share_one_service(edge: RunningEdge, shop: RealRoom, copies: MakeCopy) -> None:
    """While a service moves from the host's own network into the room. A second try stays where the first was."""
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[copies("host")], v2=[shop.copy("room")], weight=50))
    with shop.client(shop.service(7)) as private, edge.client("api.shop.internal") as public:
        assert set(answers(private, 40)) == set(answers(public, 40)) == {"host", "room"}
        gone = shop.copy("gone")
        gone.end()
        edge.edge.write(route(shop, legacy=[copies("host")], v2=[gone], weight=100))
        assert (private.get("/").status_code, public.get("/").status_code) == (503, 503)
    assert edge.edge.failing() == {gone.address: 2}
    log = AccessLog(edge.edge.places.log)
    wait_for(lambda: [(line.upstream, line.attempts) for line in log.lines()][80:] == [(gone.address, 2)] * 2, "that is logged")


def test_no_client_says_which_room_is_asked(edge: RunningEdge, shop: RealRoom, copies: MakeCopy) -> None:
    edge.edge.rooms([shop.room])
    edge.edge.write(Route(host_name="api.shop.internal", legacy=(copies("host").address,), v2=(), weight=0, environment="shop"))
    with edge.client("api.shop.internal") as public:
        assert public.get("/", headers={"x-rollout-tries": "tries@shop"}).text == "host"


def test_a_broken_copy_in_a_room_loses_its_traffic(strict: RunningEdge, shop: RealRoom) -> None:
    legacy, v2 = shop.copy("legacy"), shop.copy("v2")
    strict.edge.rooms([shop.room])
    strict.edge.write(route(shop, legacy=[legacy], v2=[v2], weight=100))
    v2.status = 500
    began = datetime.now(UTC)
    with shop.client(shop.service(7)) as private, strict.client("api.shop.internal") as public:
        found = Counter(client.get("/").text for _ in range(10) for client in (private, public))
    assert found == {"v2": 3, "legacy": 17}
    assert strict.edge.failing() == {v2.address: 3}
    samples = LogSamples(AccessLog(strict.edge.places.log))
    wanted = {L: (17, 0, 0), V: (3, 3, 17)}
    wait_for(
        lambda: {side: (s.requests, s.errors, s.shed) for side, s in samples.read("shop/api", began).items()} == wanted,
        "private and public requests are counted alike",
    )


def test_nobody_notices_that_a_packet_was_lost_which_asked_a_copy_for_a_connection(strict: RunningEdge, shop: RealRoom) -> None:
    strict.edge.rooms([shop.room])
    strict.edge.write(route(shop, legacy=[], v2=[shop.copy("v2")], weight=100))
    with strict.client("api.shop.internal") as public, ThreadPoolExecutor(1) as pool:
        with shop.deaf() as lost_one:
            asked = pool.submit(public.get, "/")
            wait_for(lost_one, "it asks for a connection")
        assert asked.result().text == "v2"


def test_the_second_try_and_a_spare_port_work_in_a_room(edge: RunningEdge, shop: RealRoom) -> None:
    legacy, v2, gone = shop.copy("legacy"), shop.copy("v2"), shop.copy("gone")
    gone.end()
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[legacy], v2=[gone], weight=100))
    with shop.client(shop.service(7)) as client:
        assert answers(client, 1) == {"legacy": 1}
        moved = route(shop, legacy=[legacy], v2=[], weight=100)
        spares = {gone.address: v2.address}
        edge.edge.write(
            Route(
                host_name=moved.host_name,
                legacy=moved.legacy,
                v2=(gone.address,),
                weight=100,
                environment="shop",
                address=moved.address,
                spares=spares,
            )
        )
        assert answers(client, 4) == {"v2": 4}


def test_a_request_in_a_room_is_in_flight_until_it_is_answered(edge: RunningEdge, shop: RealRoom) -> None:
    slow, other = shop.copy("slow"), shop.copy("other", ipv4=True)
    edge.edge.rooms([shop.room])
    edge.edge.write(route(shop, legacy=[slow], v2=[other], weight=0))
    slow.let_go.clear()

    def ask() -> str:
        with shop.client(shop.service(7)) as client:
            return client.get("/").text

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        wait_for(lambda: edge.edge.in_flight([slow.address]) == 1, "the request is seen")
        assert edge.edge.in_flight([other.address]) == 0
        slow.let_go.set()
        assert answer.result() == "slow"
    wait_for(lambda: edge.edge.in_flight([slow.address, other.address]) == 0, "nothing is in flight")
