"""A service on one host is asked by its name on the other, by everybody alike, and follows when it moves from host to host."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from dnslib import DNSRecord

from rollout.contract.edge_rig import HttpCopy
from rollout.network.inside import inside, open_inside
from rollout.network.mesh.mesh import Mesh
from tests.edge.rooms_rig import Inside
from tests.network.mesh.mesh_rigs import connect, echo, says, talk, until
from tests.network.mesh.test_mesh_isolation import MARKER, capture, is_wireguard
from tests.network.mesh.two_hosts import Pair, pair

IPV6, NEXT_HEADER_AT, PAYLOAD_AT = b"\x86\xdd", 14 + 6, 14 + 40 + 8
UDP, ICMPV6, HOP_BY_HOP = 17, 58, 0
"""What is seen on a cable beside UDP: who has which address there."""
HTTP, REDIS = 80, 6379

Client = dict[str, Any]


def resolve(client: Client, name: str, kind: str = "AAAA") -> list[str]:
    """What the DNS server says that the client finds in its resolv.conf."""
    with connect(client["namespace"], client["dns"], 53) as line:
        packet = DNSRecord.question(name, kind).pack()
        line.sendall(len(packet).to_bytes(2, "big") + packet)
        with line.makefile("rb") as told:
            return [str(one.rdata) for one in DNSRecord.parse(told.read(int.from_bytes(told.read(2), "big"))).rr]


def asks(client: Client, address: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://[{address}]", timeout=15, transport=Inside(client["namespace"]))


def by_name(client: Client) -> str:
    """As a program that looks the name up each time."""
    [address] = resolve(client, "api.prod.internal")
    with asks(client, address) as http:
        return http.get("/").raise_for_status().text


@contextmanager
def copy(at: Client, text: str) -> Iterator[HttpCopy]:
    made = open_inside(at["namespace"], lambda: HttpCopy(text, (at["address"], 8080)))
    try:
        yield made
    finally:
        made.end()


class Load:
    """Asks again and again until the block ends; an error fails there."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.answers: list[str] = []
        self._ask = ask
        self._failed: list[Exception] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self._failed == []

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.answers.append(self._ask())
            except Exception as error:
                self._failed.append(error)

    def fresh(self, text: str) -> None:
        """From now on some answers come, all with this text."""
        until(lambda: self.answers[-3:] == [text] * 3 or self._failed)


@pytest.fixture
def two(mesh: Mesh, tmp_path: Path) -> Iterator[Pair]:
    with pair(mesh, tmp_path) as made:
        yield made


@contextmanager
def nothing_but_wireguard(path: str) -> Iterator[None]:
    """What passes the cable of this host meanwhile; and something does."""
    with ExitStack() as ear:
        with inside(path):
            heard = ear.enter_context(capture("cable"))
        yield
        ear.close()
        packets = [packet for packet in heard if packet[12:14] == IPV6]
        assert {packet[NEXT_HEADER_AT] for packet in packets} <= {UDP, ICMPV6, HOP_BY_HOP}
        udp = [packet[PAYLOAD_AT:] for packet in packets if packet[NEXT_HEADER_AT] == UDP]
        assert len(udp) > 4
        assert all(map(is_wireguard, udp))
        assert not any(MARKER in packet for packet in heard)


@pytest.mark.timeout(240)
def test_http_is_asked_by_name_and_follows_from_host_to_host(two: Pair) -> None:
    (first, second), (here, there) = two.hosts, two.clients
    name, stay = "api.prod.internal", second("address", "prod/api")
    old, new = second("prepare", "old", "prod/api"), first("prepare", "new", "prod/api")
    with ExitStack() as stack:
        leaving = stack.enter_context(copy(old, "second"))
        second("serve", "prod/api", leaving.address)
        second("publish", name, stay, HTTP)
        until(lambda: resolve(here, name) == resolve(there, name) == [stay])
        with nothing_but_wireguard(two.paths[0]), asks(here, stay) as http:
            assert http.post("/", content=MARKER * 100).text == "second"
        kept = stack.enter_context(asks(here, stay))
        loads = [
            stack.enter_context(Load(ask)) for ask in (lambda: by_name(here), lambda: by_name(there), lambda: kept.get("/").text)
        ]
        for load in loads:
            load.fresh("second")

        coming = stack.enter_context(copy(new, "first"))
        first("serve", "prod/api", coming.address)
        first("publish", name, first("address", "prod/api"), HTTP)
        second("withdraw", name)
        second("serve", "prod/api", f"[{first('address', 'prod/api')}]:{HTTP}")  # for those who have its address still
        for load in loads:
            load.fresh("first")
        leaving.end()
        seen = [len(load.answers) for load in loads]
        until(lambda: all(len(load.answers) > before + 10 for load, before in zip(loads, seen, strict=True)))
        assert {answer for load, before in zip(loads, seen, strict=True) for answer in load.answers[before:]} == {"first"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("kind", "own", "wild"), [("AAAA", "address", "::"), ("A", "address4", "0.0.0.0")])
def test_tcp_is_asked_by_name_and_follows_from_host_to_host(two: Pair, kind: str, own: str, wild: str) -> None:
    (first, second), (here, there) = two.hosts, two.clients
    name, stay = "db.prod.internal", second(own, "prod/db")
    old, new = second("prepare", "old", "prod/db"), first("prepare", "new", "prod/db")
    with echo(old["namespace"], wild, REDIS) as at_old, echo(new["namespace"], wild, REDIS) as at_new:
        second("lead", "prod/db", old[own], REDIS)
        second("publish", name, stay, REDIS)
        until(lambda: resolve(here, name, kind) == resolve(there, name, kind) == [stay])
        with nothing_but_wireguard(two.paths[0]):
            assert talk(here["namespace"], stay, REDIS, MARKER * 100) == MARKER * 100
        assert at_old == [here[own]], "it sees who asks"
        with connect(here["namespace"], stay, REDIS) as held:
            assert says(held, b"before") == b"before"
            first("lead", "prod/db", new[own], REDIS)
            first("publish", name, first(own, "prod/db"), REDIS)
            second("withdraw", name)
            second("lead", "prod/db", first(own, "prod/db"), REDIS)
            until(lambda: resolve(here, name, kind) == resolve(there, name, kind) == [first(own, "prod/db")])
            for client in (here, there):
                [address] = resolve(client, name, kind)
                assert talk(client["namespace"], address, REDIS) == b"hello"
                assert talk(client["namespace"], stay, REDIS) == b"hello", "who has its address still is led on"
            assert (len(at_old), len(at_new)) == (2, 4)
            assert says(held, b"after") == b"after"
            assert (second("held", "prod/db", old["address"]), first("held", "prod/db", new["address"])) == (1, 0)
        until(lambda: second("held", "prod/db", old["address"]) == 0)
