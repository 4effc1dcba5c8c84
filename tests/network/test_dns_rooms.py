"""Names inside of rooms: real clients in real network namespaces ask the one process that answers in all of them."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, RR, A, DNSRecord

from rollout.host.rooms import Room, Rooms
from rollout.network import outside
from rollout.network.answers import TTL_S
from rollout.network.dns import argv
from rollout.network.dns_rooms import AT_ONCE, PORT, RoomNames
from rollout.network.inside import inside, open_inside
from rollout.network.names import NamesFolder
from tests.network.namespaces import give, namespace

API, API4 = "fd00:a:b:1:0:5:0:1", "100.64.0.9"


def room(environment: str, path: str, number: int, *, egress: bool = False) -> Room:
    prefix = f"fd00:a:b:{number}::"
    return Room(environment=environment, path=path, prefix=f"{prefix}/64", dns=f"{prefix}53", egress=egress)


def hub(made: Room) -> str:
    return made.hub or made.dns.replace("::53", "::1:0:1")


class World:
    """Names and rooms of a home, and the server that answers in them; `asked`: what the outside was asked."""

    def __init__(self, folder: Path) -> None:
        self.names = NamesFolder(folder / "names", "127.0.0.1:1")
        self.rooms = Rooms(folder / "rooms")
        self.outside: list[tuple[str, int]] = []
        self.server = RoomNames(str(self.names.folder), self.rooms, lambda: self.outside)

    def ask(self, environment: str, name: str, kind: str = "AAAA", *, tcp: bool = False) -> DNSRecord:
        """From within the room, by a connected socket: an answer that does not come from where was asked is never seen."""
        return DNSRecord.parse(self.send(environment, DNSRecord.question(name, kind).pack(), tcp=tcp))

    def send(self, environment: str, packet: bytes, *, tcp: bool = False) -> bytes:
        found = self.rooms.find(environment)
        assert found is not None
        with inside(found.path):
            near = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
            with near:
                near.settimeout(10)
                near.bind((hub(found), 0))
                near.connect((found.dns, PORT))
                near.sendall(outside.framed(packet) if tcp else packet)
                return outside.read_message(near) if tcp else near.recv(65535)

    def opens(self, path: str, made: Room) -> None:
        """A room with its hub, from where is asked, and its DNS address."""
        give(path, hub(made))
        give(path, made.dns)
        self.rooms.write(made)
        until(lambda: self.answers(made.environment))

    def answers(self, environment: str) -> bool:
        with contextlib.suppress(ConnectionError):
            return self.ask(environment, f"{environment}.internal").header.rcode == RCODE.NOERROR
        return False


def until(what: Callable[[], object]) -> None:
    limit = time.monotonic() + 10
    while not what():
        assert time.monotonic() < limit, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two rooms, `prod` and `stage`."""
    world = World(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(world.server.close)
        for number, environment in enumerate(("prod", "stage"), 1):
            path = stack.enter_context(namespace())
            world.opens(path, room(environment, path, number))
        yield world


@pytest.mark.parametrize("tcp", [False, True])
def test_a_name_of_its_environment(world: World, tcp: bool) -> None:
    world.names.publish("api.prod.internal", API, 8080)
    world.names.publish("legacy.api.prod.internal", API4, 8081)
    found = world.ask("prod", "API.prod.internal.", tcp=tcp)
    assert [(str(one.rdata), one.ttl) for one in found.rr] == [(API, TTL_S)]
    srv = world.ask("prod", "_http._tcp.api.prod.internal", "SRV", tcp=tcp)
    assert (srv.rr[0].rdata.port, str(srv.ar[0].rdata), srv.ar[0].ttl) == (8080, API, TTL_S)
    assert [str(one.rdata) for one in world.ask("prod", "legacy.api.prod.internal", "A", tcp=tcp).rr] == [API4]
    for name, kind in (("api.prod.internal", "A"), ("legacy.api.prod.internal", "AAAA")):
        empty = world.ask("prod", name, kind, tcp=tcp)
        assert (empty.header.rcode, empty.rr, empty.auth[0].rtype) == (RCODE.NOERROR, [], QTYPE.SOA)
    world.names.publish("api.prod.internal", API.replace("5", "6"), 8080)
    assert str(world.ask("prod", "api.prod.internal", tcp=tcp).rr[0].rdata) == API.replace("5", "6"), "at the next question"


def test_nothing_else_is_known_there(world: World) -> None:
    world.names.publish("api.prod.internal", API, 8080)
    world.names.publish("plain.stage.internal", "127.0.0.1", 8080)
    world.names.publish("m-17-a1", API, 8080)
    for name in ("api.prod.internal", "plain.stage.internal", "nobody.stage.internal", "x.internal", "m-17-a1", "example.org"):
        assert world.ask("stage", name).header.rcode == RCODE.NXDOMAIN, name
    for name in ("1.0.0.0.d.f.ip6.arpa", "9.0.64.100.in-addr.arpa", "example.org"):
        assert world.ask("stage", name, "PTR").header.rcode == RCODE.NXDOMAIN, name
    assert world.ask("stage", "internal", "SOA").header.rcode == RCODE.NOERROR
    assert world.ask("stage", "plain.stage.internal").auth[0].rtype == QTYPE.SOA, "so that it may be remembered for 2 s"


def test_a_file_that_nobody_wrote_is_servfail_for_that_name_alone(world: World) -> None:
    for number, rubbish in enumerate(("rubbish\n", "rubbish 80\n")):
        (world.names.folder / f"odd{number}.prod.internal").write_text(rubbish)
        assert world.ask("prod", f"odd{number}.prod.internal").header.rcode == RCODE.SERVFAIL
    assert world.answers("prod")


def test_rubbish_is_dropped_and_the_server_answers_on(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)
    good = DNSRecord.question("api.prod.internal").pack()
    found = world.rooms.find("prod")
    assert found is not None
    with open_inside(found.path, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as client:
        for sent in range(500):
            packet = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
            client.sendto(bytes(packet[: chance.randint(0, len(packet))]), (found.dns, PORT))
            if not sent % 20:
                assert world.answers("prod")
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.recv(65535):
                pass
        client.settimeout(0.3)
        client.sendto(DNSRecord.question("a.prod.internal").reply().pack(), (found.dns, PORT))
        with pytest.raises(TimeoutError):
            client.recv(65535)
    assert world.answers("prod")
    assert world.server.well()
    assert capfd.readouterr().err == ""


def test_connections_that_ask_nothing_do_not_hold_up_another_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.network.dns_rooms.PATIENCE_S", 60.0)
    found = world.rooms.find("prod")
    assert found is not None
    with contextlib.ExitStack() as stack:
        for _ in range(AT_ONCE + 8):
            opened = open_inside(found.path, lambda: socket.create_connection((found.dns, PORT), timeout=10))
            stack.enter_context(opened)
        assert opened.recv(1) == b"", "the room has as many as it may"
        assert world.answers("prod"), "by UDP"
        assert world.ask("stage", "stage.internal", tcp=True).header.rcode == RCODE.NOERROR
    until(lambda: gone_well(lambda: world.ask("prod", "prod.internal", tcp=True)))


def gone_well(what: Callable[[], object]) -> bool:
    with contextlib.suppress(OSError):
        what()
        return True
    return False


def test_many_questions_on_one_connection(world: World) -> None:
    found = world.rooms.find("prod")
    assert found is not None
    with open_inside(found.path, lambda: socket.create_connection((found.dns, PORT), timeout=10)) as near:
        for _ in range(5):
            near.sendall(outside.framed(DNSRecord.question("prod.internal").pack()))
            assert DNSRecord.parse(outside.read_message(near)).header.rcode == RCODE.NOERROR


def test_a_room_that_is_made_again_elsewhere_and_one_that_goes(world: World) -> None:
    world.names.publish("api.prod.internal", API, 8080)
    with namespace() as path:
        before = len(os.listdir("/proc/self/fd"))
        world.opens(path, room("prod", path, 1))
        assert [str(one.rdata) for one in world.ask("prod", "api.prod.internal").rr] == [API]
        assert len(os.listdir("/proc/self/fd")) == before, "nothing of ours is left in the old one, which would live on"
        world.rooms.remove("prod")
        until(lambda: len(os.listdir("/proc/self/fd")) == before - 2)
    assert world.answers("stage")


def test_its_address_may_come_after_the_server(world: World) -> None:
    with namespace() as path:
        made = room("late", path, 3)
        world.rooms.write(made)
        before = len(os.listdir("/proc/self/fd"))
        until(lambda: len(os.listdir("/proc/self/fd")) == before + 2)
        give(path, hub(made))
        give(path, made.dns)
        assert world.answers("late")


def test_a_room_that_cannot_be_entered_is_told_of_once_and_tried_again(
    world: World, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr("rollout.network.dns_rooms.open_inside", lambda path, make: tried.append(path) or open_inside(path, make))
    world.rooms.write(room("lost", "/run/netns/rollout-nowhere", 4))
    until(lambda: len(tried) > 2)
    assert capfd.readouterr().err.count("no names in the room of lost: there is no network namespace at") == 1
    with namespace() as path:
        world.opens(path, room("lost", path, 4))
    assert world.answers("prod")


@contextlib.contextmanager
def resolver(asked: list[str], *, lies: bool = False) -> Iterator[tuple[str, int]]:
    """The outside: knows every name, by UDP and TCP. What it was asked goes into `asked`; a liar gives a wrong id."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())

        def answer(packet: bytes, address: str) -> bytes:
            request = DNSRecord.parse(packet)
            asked.append(str(request.q.qname).rstrip("."))
            reply = request.reply()
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=60))
            reply.header.id ^= lies
            return bytes(reply.pack())

        def by_udp() -> None:
            with contextlib.suppress(OSError):
                while True:
                    packet, client = udp.recvfrom(4096)
                    if not packet:
                        return
                    udp.sendto(answer(packet, "192.0.2.7"), client)

        def by_tcp() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = tcp.accept()
                    with near:
                        near.sendall(outside.framed(answer(outside.read_message(near), "192.0.2.8")))

        threads = [threading.Thread(target=one, daemon=True) for one in (by_udp, by_tcp)]
        for thread in threads:
            thread.start()
        yield tcp.getsockname()
        tcp.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", udp.getsockname())
        for thread in threads:
            thread.join(10)


def test_where_egress_is_open_the_outside_is_asked_and_never_for_names_of_ours(world: World) -> None:
    asked: list[str] = []
    stage = world.rooms.find("stage")
    assert stage is not None
    with resolver([], lies=True) as liar, resolver(asked) as place:
        world.outside = [("127.0.0.1", 1), liar, place]
        world.rooms.write(replace(stage, egress=True))
        until(lambda: world.ask("stage", "example.org", "A").header.rcode == RCODE.NOERROR)
        for tcp, address in ((False, "192.0.2.7"), (True, "192.0.2.8")):
            found = world.ask("stage", "www.example.org", "A", tcp=tcp)
            assert [str(one.rdata) for one in found.rr] == [address]
        assert asked == ["example.org", "www.example.org", "www.example.org"]
        for name in ("nobody.stage.internal", "api.prod.internal", "9.0.64.100.in-addr.arpa", "1.d.f.ip6.arpa"):
            assert world.ask("stage", name).header.rcode == RCODE.NXDOMAIN
        assert world.ask("prod", "example.org", "A").header.rcode == RCODE.NXDOMAIN, "closed there"
        assert len(asked) == 3
    world.outside = [("127.0.0.1", 1)]
    for tcp in (False, True):
        assert world.ask("stage", "example.org", "A", tcp=tcp).header.rcode == RCODE.SERVFAIL
    world.rooms.write(stage)
    until(lambda: world.ask("stage", "example.org", "A").header.rcode == RCODE.NXDOMAIN)


def test_the_resolvers_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "RESOLV", tmp_path / "resolv.conf")
    assert list(outside.of_the_host()) == []
    named = "".join(f"nameserver {one}\n" for one in ("192.0.2.1", "", "2001:db8::1", "1.1.1.1", "8.8.8.8"))
    (tmp_path / "resolv.conf").write_text(f"# nameserver 9.9.9.9\nsearch x\n{named}")
    assert list(outside.of_the_host()) == [("192.0.2.1", 53), ("2001:db8::1", 53), ("1.1.1.1", 53)]


def test_another_resolver_library_finds_the_name(world: World) -> None:
    world.names.publish("api.prod.internal", API, 8080)
    found = world.rooms.find("prod")
    assert found is not None
    with inside(found.path):
        told = subprocess.run(
            ["/bin/busybox", "nslookup", "-type=aaaa", "api.prod.internal", found.dns],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert f"Address: {API}" in told.stdout, told


def test_the_hidden_command_answers_in_rooms_and_ends_on_sigterm(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.server.close()
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(namespace())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = argv(str(world.names.folder), port, str(world.rooms.folder))
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.getcwd()}, stderr=subprocess.PIPE, text=True)
        stack.callback(server.communicate)
        stack.callback(server.kill)
        world.names.publish("api.prod.internal", API, 8080)
        made = room("prod", path, 1)
        give(path, hub(made))
        give(path, made.dns)
        world.rooms.write(made)
        until(lambda: server.poll() is not None or gone_well(lambda: world.ask("prod", "prod.internal", tcp=True)))
        assert [str(one.rdata) for one in world.ask("prod", "api.prod.internal").rr] == [API]
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0
