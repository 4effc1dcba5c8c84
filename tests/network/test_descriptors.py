"""The sockets of a process: read, or where its open files are closed to us, by tracing."""

import os
import socket
from collections.abc import Iterator

import pytest

from rollout.network import descriptors


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_what_may_be_read_is_read(listening: socket.socket) -> None:
    assert os.fstat(listening.fileno()).st_ino in set(descriptors.sockets(os.getpid()))


def test_what_is_closed_to_us_is_traced_and_nothing_of_it_stays_open(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = set(descriptors.sockets(os.getpid()))
    before = os.listdir("/proc/self/fd")

    def closed(path: str) -> list[str]:
        raise PermissionError(path)

    with monkeypatch.context() as patched:
        patched.setattr(descriptors.os, "listdir", closed)
        traced = list(descriptors.sockets(os.getpid()))
    assert os.fstat(listening.fileno()).st_ino in traced
    assert (set(traced), len(traced) - len(set(traced))) == (read, 0)
    assert os.listdir("/proc/self/fd") == before


def test_one_that_is_gone_has_none() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
    assert list(descriptors.sockets(pid)) == []
    assert list(descriptors._by_tracing(pid)) == []
