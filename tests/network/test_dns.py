"""A real client asks the real server, over UDP and TCP."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from rollout.errors import BrokenError
from rollout.network.answers import TTL_S
from rollout.network.dns import argv, start, stop
from rollout.network.names import NamesFolder, Place, find


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamesFolder]:
    port = free_port()
    folder = NamesFolder(tmp_path_factory.mktemp("names"), f"127.0.0.1:{port}")
    servers = start(str(folder.folder), port)
    yield folder
    stop(servers)


def ask(names: NamesFolder, name: str, kind: str = "A", *, tcp: bool = False) -> DNSRecord:
    host, _, port = names.address().rpartition(":")
    return DNSRecord.parse(DNSRecord.question(name, kind).send(host, int(port), tcp=tcp, timeout=5))


@pytest.mark.parametrize("tcp", [False, True])
def test_a_published_name_answers_address_and_port(names: NamesFolder, tcp: bool) -> None:
    names.publish("api.shop.internal", "127.0.0.1", 8081)
    reply = ask(names, "API.shop.internal.", tcp=tcp)
    assert [str(r.rdata) for r in reply.rr] == ["127.0.0.1"]
    assert reply.rr[0].ttl == TTL_S
    srv = ask(names, "api.shop.internal", "SRV", tcp=tcp)
    assert (srv.rr[0].rdata.port, str(srv.rr[0].rdata.target)) == (8081, "api.shop.internal.")
    assert str(srv.ar[0].rdata) == "127.0.0.1"


def test_srv_by_service_and_protocol_leads_to_the_same_place(names: NamesFolder) -> None:
    names.publish("api.shop.internal", "127.0.0.1", 8081)
    assert ask(names, "_http._tcp.api.shop.internal", "SRV").rr[0].rdata.port == 8081
    assert ask(names, "_http._tcp.api.shop.internal", "A").rr == []


def test_an_ipv6_address_answers_aaaa_and_no_a(names: NamesFolder) -> None:
    names.publish("api.shop.internal", "fd00::1", 80)
    assert str(ask(names, "api.shop.internal", "AAAA").rr[0].rdata) == "fd00::1"
    empty = ask(names, "api.shop.internal", "A")
    assert (empty.header.rcode, empty.rr, empty.auth[0].rtype) == (RCODE.NOERROR, [], QTYPE.SOA)


def test_unknown_is_nxdomain_and_foreign_is_refused(names: NamesFolder) -> None:
    unknown = ask(names, "nobody.shop.internal")
    assert (unknown.header.rcode, unknown.auth[0].rtype) == (RCODE.NXDOMAIN, QTYPE.SOA)
    assert ask(names, "example.org").header.rcode == RCODE.REFUSED
    assert ask(names, "internal", "SOA").header.rcode == RCODE.NOERROR


def test_changes_are_seen_at_the_next_question(names: NamesFolder) -> None:
    names.publish("api.shop.internal", "127.0.0.1", 8081)
    names.publish("api.shop.internal", "127.0.0.1", 8082)
    assert ask(names, "api.shop.internal", "SRV").rr[0].rdata.port == 8082
    names.withdraw("api.shop.internal")
    names.withdraw("api.shop.internal")
    assert ask(names, "api.shop.internal").header.rcode == RCODE.NXDOMAIN


def test_a_file_that_nobody_wrote_is_servfail_for_that_name_alone(names: NamesFolder) -> None:
    (names.folder / "odd.internal").write_text("rubbish\n")
    names.publish("api.internal", "127.0.0.1", 1)
    assert ask(names, "odd.internal").header.rcode == RCODE.SERVFAIL
    assert ask(names, "api.internal").header.rcode == RCODE.NOERROR


def test_rubbish_is_dropped_and_the_server_answers_on(names: NamesFolder, capfd: pytest.CaptureFixture[str]) -> None:
    host, _, port = names.address().rpartition(":")
    chance = random.Random(7)
    good = DNSRecord.question("api.shop.internal").pack()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for sent in range(300):
            packet = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
            client.sendto(bytes(packet[: chance.randint(1, len(packet))]), (host, int(port)))
            if not sent % 20:
                assert ask(names, "x.internal").header.rcode == RCODE.NXDOMAIN
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"\x00\x05abc")
    names.publish("api.shop.internal", "127.0.0.1", 8081)
    assert ask(names, "api.shop.internal").header.rcode == RCODE.NOERROR
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b", "", "a..b", "-a", "a/b", "x" * 64])
def test_what_is_no_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    folder = NamesFolder(tmp_path, "127.0.0.1:1")
    with pytest.raises(BrokenError):
        folder.publish(name, "127.0.0.1", 1)
    assert find(tmp_path, name) is None


def test_a_folder_that_is_found_again_keeps_its_names(tmp_path: Path) -> None:
    NamesFolder(tmp_path, "127.0.0.1:1").publish("a.b.internal", "127.0.0.1", 7)
    again = NamesFolder(tmp_path, "127.0.0.1:1")
    assert find(tmp_path, "a.b.internal.") == Place("127.0.0.1", 7)
    again.withdraw("a.b.internal")
    assert find(tmp_path, "a.b.internal") is None


def test_the_hidden_command_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    names = NamesFolder(tmp_path, f"127.0.0.1:{port}")
    names.publish("a.b.internal", "127.0.0.1", 7)
    server = subprocess.Popen(argv(str(tmp_path), port), env={**os.environ, "PYTHONPATH": os.getcwd()}, stdout=subprocess.PIPE)
    try:
        limit = time.monotonic() + 30
        while server.poll() is None and time.monotonic() < limit:
            try:
                assert ask(names, "a.b.internal", tcp=True).rr[0].rdata is not None
                break
            except OSError:
                time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0
    finally:
        if server.poll() is None:
            server.kill()
        server.communicate()


def test_a_taken_port_is_one_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = subprocess.run(
            argv(str(tmp_path), taken.getsockname()[1]),
            env={**os.environ, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert result.returncode == 1
    assert "cannot answer names on 127.0.0.1" in result.stderr
    assert "Traceback" not in result.stderr
