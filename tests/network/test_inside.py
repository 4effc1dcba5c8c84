"""A thread goes into a network namespace and comes back, whatever happens there."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.network import inside as module
from rollout.network.inside import OWN, POISONED, inside, may_enter, open_inside
from tests.network.namespaces import inode, namespace


@pytest.fixture
def path() -> Iterator[str]:
    with namespace() as path:
        yield path


def test_this_thread_is_in_it_and_no_other_and_back_afterwards(path: str) -> None:
    before, seen = inode(OWN), []
    with inside(path):
        assert inode(OWN) == inode(path) != before
    assert inode(OWN) == before
    started, ended = threading.Event(), threading.Event()

    def other() -> None:
        started.wait(10)
        seen.append(inode(OWN))
        ended.set()

    thread = threading.Thread(target=other)
    thread.start()
    with inside(path):
        started.set()
        assert ended.wait(10)
    thread.join()
    assert seen == [before]


def test_back_after_an_error_and_out_of_one_in_another(path: str) -> None:
    before = inode(OWN)
    with pytest.raises(ZeroDivisionError), inside(path):
        raise ZeroDivisionError
    assert inode(OWN) == before
    with namespace() as second, inside(path):
        with inside(second):
            assert inode(OWN) == inode(second)
        assert inode(OWN) == inode(path)
    assert inode(OWN) == before


def test_a_socket_that_was_opened_inside_stays_there(path: str) -> None:
    with open_inside(path, lambda: socket.create_server(("127.0.0.1", 0))) as server:
        near = server.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(near, timeout=5)
        open_inside(path, lambda: socket.create_connection(near, timeout=5)).close()


def test_no_descriptor_is_left_open(path: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with inside(path):
            pass
        with pytest.raises(BrokenError), inside("/nowhere"):
            pass
        with pytest.raises(BrokenError), inside("/dev/null"):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_no_namespace_is_one_clear_error() -> None:
    before = inode(OWN)
    for path in ("/run/netns/nobody", "/dev/null"):
        with pytest.raises(BrokenError, match=f"no network namespace at {path}"), inside(path):
            pytest.fail("entered")
    assert inode(OWN) == before


def test_without_the_right_it_says_what_is_missing() -> None:
    told = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, check=False, timeout=30, env=environ()
    )
    assert "may not enter the network namespace" in told.stdout, told.stderr


def test_a_platform_without_namespaces_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.sys, "platform", "darwin")
    with pytest.raises(BrokenError, match="only on Linux"), inside("/x"):
        pytest.fail("entered")


def test_a_process_that_cannot_come_back_ends(path: str) -> None:
    descriptor = int(path.rpartition("/")[2])
    told = subprocess.run(
        [sys.executable, "-c", NO_WAY_BACK, f"/proc/self/fd/{descriptor}"],
        pass_fds=[descriptor],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=environ(),
    )
    assert (told.returncode, told.stdout) == (POISONED, "inside\n"), told.stderr
    assert "cannot leave a network namespace: Operation not permitted" in told.stderr


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.getcwd()}


UNPRIVILEGED = """
import os
from rollout.errors import BrokenError
from rollout.network.inside import inside
os.setuid(65534)
try:
    with inside("/proc/self/ns/net"):
        print("entered")
except BrokenError as error:
    print(error)
"""
NO_WAY_BACK = """
import os, sys, threading
from rollout.network.inside import inside

def work():
    try:
        with inside(sys.argv[1]):
            print("inside", flush=True)
            os.setuid(65534)
    except BaseException as error:
        print(error, flush=True)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print("goes on", flush=True)
"""


def test_who_may_enter(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert may_enter()
    with inside(path):
        assert may_enter()
    status = tmp_path / "status"
    status.write_text("CapPrm:\t000001ffffffffff\nCapEff:\t000001ffffdfffff\nSeccomp:\t0\n")
    monkeypatch.setattr(module, "STATUS", str(status))
    assert not may_enter()
