"""Clients that misbehave are refused, and others notice nothing."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rollout.contract.edge_rig import LIMIT_S, HttpCopy, RunningEdge
from rollout.edge.settings import EdgeSettings
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]
LIMIT = 20


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RunningEdge]:
    """An edge with small limits."""
    with RunningEdge(tmp_path / "edge", EdgeSettings(headers_s=0.3, connections=LIMIT, workers=1)) as world:
        yield world


def connect(world: RunningEdge) -> socket.socket:
    host, port = world.edge.address().split(":")
    return socket.create_connection((host, int(port)), timeout=LIMIT_S)


def test_half_sent_headers_are_given_up(strict: RunningEdge, copies: MakeCopy, name: str) -> None:
    strict.edge.write(Route(host_name=name, legacy=(copies("legacy").address,), v2=(), weight=0))
    with connect(strict) as slow, strict.client(name) as client:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert client.get("/").status_code == 200
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_allowed_are_closed(strict: RunningEdge, copies: MakeCopy, name: str) -> None:
    strict.edge.write(Route(host_name=name, legacy=(copies("legacy").address,), v2=(), weight=0))
    with strict.client(name) as client, ExitStack() as stack:
        assert client.get("/").status_code == 200
        held = [stack.enter_context(connect(strict)) for _ in range(LIMIT - 1)]
        assert stack.enter_context(connect(strict)).recv(10) == b""
        assert client.get("/").status_code == 200
        held[0].sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert held[0].recv(100).startswith(b"HTTP/1.1 200 ")
