"""What passes besides plain requests: WebSocket, h2c clients, long uploads. And that it is still in flight when it is quiet."""

import socket
from collections.abc import Callable, Iterator
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import httpx
import pytest

from rollout.contract.edge_rig import LIMIT_S, HttpCopy, RunningEdge, wait_for
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]


class _Upgrades(StreamRequestHandler):
    """Agrees to the upgrade, then sends back what it gets."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := self.request.recv(4096):
            self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[str]:
    """Address of a copy that speaks WebSocket's handshake and echoes."""
    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), _Upgrades) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def upgraded(edge: RunningEdge, name: str) -> socket.socket:
    host, port = edge.edge.address().split(":")
    connection = socket.create_connection((host, int(port)), timeout=LIMIT_S)
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: {name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


def test_a_websocket_lives_on_over_a_switch_and_counts_as_in_flight(
    plain: RunningEdge, copies: MakeCopy, name: str, echo: str
) -> None:
    v2 = copies("v2")
    plain.edge.write(Route(host_name=name, legacy=(echo,), v2=(), weight=0))
    with upgraded(plain, name) as connection:
        plain.edge.write(Route(host_name=name, legacy=(echo,), v2=(v2.address,), weight=100))
        with plain.client(name) as client:
            assert client.get("/").text == "v2"
        connection.sendall(b"still there")
        assert connection.recv(100) == b"still there"
        assert plain.edge.in_flight([echo]) == 1
    wait_for(lambda: plain.edge.in_flight([echo]) == 0, "the WebSocket has ended")


def test_an_h2c_client_reaches_a_copy_that_speaks_http_1(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    copy = copies("legacy")
    plain.edge.write(Route(host_name=name, legacy=(copy.address,), v2=(), weight=0))
    url = f"http://{plain.edge.address()}/"
    with httpx.Client(http1=False, http2=True, headers={"Host": name}, timeout=LIMIT_S) as client:
        found = [client.post(url, content=b"x" * 20_000) for _ in range(20)]
    assert {(answer.status_code, answer.http_version, answer.text) for answer in found} == {(200, "HTTP/2", "legacy")}
    assert {length for *_, length in copy.seen} == {20_000}


@pytest.mark.parametrize("which", ["plain", "running"])
def test_a_long_upload_passes_whole_and_outlives_a_switch(
    which: str, copies: MakeCopy, name: str, request: pytest.FixtureRequest
) -> None:
    """Also with retries on: a body that is too long to be kept is sent once."""
    edge: RunningEdge = request.getfixturevalue(which)
    legacy, v2 = copies("legacy"), copies("v2")
    edge.edge.write(Route(host_name=name, legacy=(legacy.address,), v2=(), weight=0))

    def body() -> Iterator[bytes]:
        for number in range(160):
            if number == 80:
                edge.edge.write(Route(host_name=name, legacy=(legacy.address,), v2=(v2.address,), weight=100))
                assert edge.edge.in_flight([legacy.address]) == 1
            yield b"x" * 65_536

    with edge.client(name) as client:
        answer = client.post("/", content=body(), headers={"Content-Length": str(160 * 65_536)})
        assert (answer.status_code, answer.text) == (200, "legacy")
        assert client.get("/").text == "v2"
    assert legacy.seen[-1][3] == 160 * 65_536


def test_paths_headers_and_queries_pass_as_they_came(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    copy = copies("legacy")
    plain.edge.write(Route(host_name=name, legacy=(copy.address,), v2=(), weight=0))
    host, port = plain.edge.address().split(":")
    with socket.create_connection((host, int(port)), timeout=LIMIT_S) as connection:
        connection.sendall(
            f"GET /a//b/../c%2Fd?x=%20&y HTTP/1.1\r\nHost: {name}\r\nunder_score: kept\r\nConnection: close\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    _, path, headers, _ = copy.seen[0]
    assert path == "/a//b/../c%2Fd?x=%20&y"
    assert headers["under_score"] == "kept"
    assert headers["host"] == name


def test_too_many_headers_are_refused_and_others_notice_nothing(plain: RunningEdge, copies: MakeCopy, name: str) -> None:
    copy = copies("legacy")
    plain.edge.write(Route(host_name=name, legacy=(copy.address,), v2=(), weight=0))
    with plain.client(name) as client:
        assert client.get("/", headers={f"h{i}": "x" for i in range(120)}).status_code == 431
        assert client.get("/").status_code == 200
    assert len(copy.seen) == 1
