"""Listeners of processes in network namespaces of their own: found, told apart, and no namespace lives on because of us."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.host.ports import Listener
from rollout.network import proc_net
from rollout.network.inside import inside
from rollout.network.sockets import NOT_ENTERED, TURNS, SocketTable
from tests.network.namespaces import namespace

CHILD = """
import socket, sys
held = {}
print("ready", flush=True)
for line in sys.stdin:
    does, address, port = line.split()
    if does == "open":
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        held[port] = socket.socket(family)
        held[port].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == "lo":
            held[port].setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        held[port].bind(("" if address == "lo" else address, int(port)))
        held[port].listen()
    else:
        held.pop(port).close()
    print("done", flush=True)
"""


class Child:
    """A process that opens and closes ports when it is told."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.pid = process.pid

    def opens(self, port: int, address: str = "::") -> None:
        self._does(f"open {address} {port}\n")

    def closes(self, port: int) -> None:
        self._does(f"close - {port}\n")

    def ends(self) -> None:
        self.process.communicate()

    def _does(self, line: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def child(path: str = "/proc/self/ns/net") -> Iterator[Child]:
    """In the namespace at `path`."""
    with inside(path):
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, close_fds=True
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Child(process)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def table() -> Iterator[SocketTable]:
    table = SocketTable()
    yield table
    table.close()


def told(found: Sequence[Listener]) -> list[tuple[int, str, int, bool]]:
    return [(one.pid, one.address, one.port, one.loopback) for one in found]


def in_networks(table: SocketTable) -> set[tuple[int, int]]:
    """What is listened on outside of our own network: others run on this machine."""
    return {place for place in table.listening() if place[0]}


def kept(before: int) -> int:
    return len(os.listdir("/proc/self/fd")) - before


def test_the_same_port_in_two_namespaces_is_two(table: SocketTable) -> None:
    with namespace() as one, namespace() as two, child(one) as first, child(two) as second, child() as at_home:
        first.opens(8080)
        second.opens(8080, "0.0.0.0")
        second.opens(9090)
        at_home.opens(18099, "127.0.0.1")
        found = table.listeners([first.pid, second.pid, at_home.pid])
        assert told(found) == [
            (second.pid, "0.0.0.0", 8080, False),
            (first.pid, "::", 8080, False),
            (second.pid, "::", 9090, False),
            (at_home.pid, "127.0.0.1", 18099, True),
        ]
        networks = {one.pid: one.network for one in found}
        assert networks[at_home.pid] == 0
        assert 0 < networks[first.pid] != networks[second.pid] > 0
        assert in_networks(table) == {(networks[one.pid], one.port) for one in found if one.network}
        assert (0, 18099) in table.listening()


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.2", True), ("lo", True), ("fd00::7", False)],
)
def test_what_can_only_be_reached_from_within_is_told(table: SocketTable, address: str, loopback: bool) -> None:
    with namespace("fd00::7") as path, child(path) as process:
        process.opens(8080, address)
        assert [one.loopback for one in table.listeners([process.pid])] == [loopback]


def test_what_opens_and_closes_in_a_namespace_is_seen_without_looking_at_its_processes(table: SocketTable) -> None:
    with namespace() as path, child(path) as process:
        process.opens(8080)
        (found,) = table.listeners([process.pid])
        process.opens(8081)
        assert in_networks(table) == {(found.network, 8080), (found.network, 8081)}
        process.closes(8080)
        assert in_networks(table) == {(found.network, 8081)}


def test_a_process_that_listens_on_nothing_yet_is_seen_when_it_does(table: SocketTable) -> None:
    """It has a socket by then, or it would not be known in which network it is."""
    with namespace() as path, child(path) as process:
        assert list(table.listeners([process.pid])) == []
        process.opens(8080)
        assert [one.port for one in table.listeners([process.pid])] == [8080]


def test_what_is_there_is_told_by_the_place_alone(table: SocketTable) -> None:
    """Also before anybody who is there is known."""
    with namespace() as path, child(path) as process, child() as at_home:
        at_home.opens(18098)
        assert table.apart(path) == []
        process.opens(8081)
        process.opens(8080, "127.0.0.1")
        assert told(table.apart(path) or ()) == [(0, "127.0.0.1", 8080, True), (0, "::", 8081, False)]
        (_, later) = table.apart(f"/proc/{process.pid}/ns/net", (process.pid,)) or ()
        assert (later.pid, later.port) == (process.pid, 8081)
        assert (later.network, 8081) in in_networks(table)
        assert table.apart("/proc/self/ns/net") is None
        assert table.apart("/run/netns/nobody-has-made-it") is None


def test_a_place_that_nobody_is_in_is_let_go(table: SocketTable) -> None:
    table.listening()
    with namespace() as path:
        before = len(os.listdir("/proc/self/fd"))
        table.apart(path)
        assert kept(before) == 1
        table.listening()
        assert kept(before) == 0


def test_a_namespace_is_let_go_when_its_last_process_has_ended(table: SocketTable) -> None:
    table.listening()
    with namespace() as path, child(path) as first, child(path) as second:
        before = len(os.listdir("/proc/self/fd"))
        first.opens(8080)
        second.opens(8081)
        table.listeners([first.pid, second.pid])
        number = next(iter(in_networks(table)))[0]
        assert kept(before) == 1
        first.ends()
        assert in_networks(table) == {(number, 8081)}
        second.ends()
        assert in_networks(table) == set()
        assert kept(before) == -4, "four pipes of the two processes, and no socket"


def test_a_number_is_never_another_namespace_s(table: SocketTable) -> None:
    numbers = set()
    for _ in range(3):
        with namespace() as path, child(path) as process:
            process.opens(8080)
            numbers |= {one.network for one in table.listeners([process.pid])}
        assert in_networks(table) == set()
    assert len(numbers) == 3


def test_of_many_namespaces_each_is_asked_within_three_calls(table: SocketTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.network.sockets.EACH", 2)
    many = 9
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(child(stack.enter_context(namespace()))) for _ in range(many)]
        for process in opened:
            process.opens(8080)
        assert len(table.listeners([process.pid for process in opened])) == many
        assert len(in_networks(table)) == many
        for process in opened:
            process.opens(9090)
        seen = [len(in_networks(table)) for _ in range(TURNS)]
        assert seen[0] < seen[-1] == 2 * many


def test_where_we_may_not_enter_the_slow_way_finds_the_same(table: SocketTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.network.sockets.open_inside", refuse)
    with namespace("fd00::7") as path, child(path) as process:
        for port, address in enumerate(("::", "fd00::7", "0.0.0.0", "127.0.0.1", "::1", "::ffff:127.0.0.2"), 8080):
            process.opens(port, address)
        found = table.listeners([process.pid])
        assert {one.network for one in found} == {NOT_ENTERED}
        monkeypatch.undo()
        assert told(SocketTable().listeners([process.pid])) == told(found)
        assert in_networks(table) == set(), "so that it is looked at again and again"


def test_what_is_only_connected_does_not_listen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        inodes = {one.inode for one in proc_net.listening([os.getpid()])}
        assert os.fstat(server.fileno()).st_ino in inodes
        assert os.fstat(near.fileno()).st_ino not in inodes


def refuse(*_: object) -> None:
    raise BrokenError("may not enter")


def test_a_table_that_nobody_uses_any_more_keeps_nothing(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def use() -> None:
        SocketTable().listening()

    use()
    assert kept(before) == 0
