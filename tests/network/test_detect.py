"""Both ways of finding listening sockets see the same, on real processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rollout.network.detect import ProcessWatch, watch
from rollout.network.sockets import SocketTable

CHILD = """
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6), socket.create_server(("::", 0), family=socket.AF_INET6)]
near = socket.create_connection(held[0].getsockname())
print(*(s.getsockname()[1] for s in held), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[tuple[int, list[int]]]:
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, [int(port) for port in process.stdout.readline().split()]
    finally:
        process.communicate("")


WAYS = [ProcessWatch()] + ([SocketTable()] if sys.platform == "linux" and SocketTable.works() else [])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
def test_all_listening_sockets_and_nothing_else(way: ProcessWatch, child: tuple[int, list[int]]) -> None:
    pid, ports = child
    found = {(one.port, one.address, one.loopback, one.pid) for one in way.listeners([pid])}
    addresses = ["127.0.0.1", "0.0.0.0", "::1", "::"]
    near = [True, False, True, False]
    assert found == {(*one, pid) for one in zip(ports, addresses, near, strict=True)}
    assert [one.port for one in way.listeners([pid])] == sorted(ports)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
def test_a_process_that_is_gone_has_none(way: ProcessWatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert list(way.listeners([ended.pid])) == []
    assert list(way.listeners([])) == []


def test_the_cheapest_way_sees_our_own_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in {one.port for one in watch().listeners([os.getpid()])}
