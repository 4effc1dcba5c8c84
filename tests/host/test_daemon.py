"""The socket: versions, errors, a host part that goes and comes back, drivers that are taken over."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.contract.engine import until
from rollout.contract.host_part import FENCE, NAME, SERVICE
from rollout.errors import BrokenError, FencedError, HostGoneError, LockedError, UsageError
from rollout.host import protocol
from rollout.host.address import LONGEST, Address
from rollout.host.client import Client
from rollout.host.daemon import Daemon
from rollout.host.protocol import Refused
from tests.host.host_rigs import SocketRig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SocketRig]:
    rig = SocketRig(tmp_path / "host")
    yield rig
    rig.close()


def test_the_socket_is_ours_alone(rig: SocketRig) -> None:
    path = rig.folder / "socket"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rig.close()
    assert not path.exists()
    rig.daemon = None


def test_only_one_host_part_per_folder(rig: SocketRig) -> None:
    with pytest.raises(LockedError, match="another host part serves"):
        Daemon(rig.folder, rig.desk, "1", rig.desk.look)
    assert rig.client.hello()["version"] == "1"


def test_a_caller_of_another_version_is_refused_but_may_say_hello(rig: SocketRig) -> None:
    other = Client(rig.folder, "2")
    assert other.hello()["version"] == "1"
    with pytest.raises(Refused, match="of version 1, this command of 2") as caught:
        other.weigh(SERVICE, NAME, 5, FENCE)
    assert "rollout up" in caught.value.then
    assert rig.route() is None


def test_errors_keep_their_type_and_their_three_parts(rig: SocketRig) -> None:
    rig.host.weigh(SERVICE, NAME, 5, 9)
    with pytest.raises(FencedError) as caught:
        rig.host.weigh(SERVICE, NAME, 5, 8)
    assert (caught.value.state, caught.value.then) == ("this driver changed nothing", "rollout status")


def test_a_fault_of_the_host_part_ends_one_request_only(rig: SocketRig) -> None:
    def broken(service: str | None = None) -> list[object]:
        raise ZeroDivisionError("never")

    rig.desk.instances = broken  # type: ignore[method-assign, assignment]  # a fault on demand
    with pytest.raises(BrokenError, match="the host part failed: ZeroDivisionError"):
        rig.host.instances()
    assert rig.host.hello()


@pytest.mark.parametrize("line", [b"rubbish\n", b"{}\n", b'{"method": "__init__", "version": "1", "arguments": {}}\n', b"[]\n"])
def test_rubbish_gets_an_error_and_no_more(rig: SocketRig, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(rig.folder / "socket"))
        connection.sendall(line)
        answer = json.loads(connection.makefile("rb").readline())
    assert "error" in answer
    assert rig.host.hello()


def test_unknown_methods_are_a_usage_error(rig: SocketRig) -> None:
    with pytest.raises(UsageError, match="knows no 'nothing'"):
        protocol.result("hello", protocol.perform(protocol.request("nothing", "1", {}), "1", rig.desk))


def test_a_call_waits_for_a_host_part_that_comes_back(rig: SocketRig) -> None:
    rig.close()
    rig.daemon = None
    napped = threading.Event()
    found: list[str] = []

    def nap(seconds: float) -> None:
        napped.set()
        threading.Event().wait(seconds)

    patient = Client(rig.folder, "1", sleep=nap)
    caller = threading.Thread(target=lambda: found.append(patient.hello()["version"]))
    caller.start()
    assert napped.wait(10)
    rig.serve()
    caller.join(10)
    assert found == ["1"]


def test_without_a_host_part_nothing_is_waited_for(tmp_path: Path) -> None:
    def never(_: float) -> None:
        raise AssertionError("it waited")

    client = Client(tmp_path, "1", lives=lambda: False, sleep=never)
    with pytest.raises(HostGoneError) as caught:
        client.hello()
    assert caught.value.then == "rollout up"


def test_a_host_part_that_dies_before_it_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.close()

        threading.Thread(target=hang_up).start()
        with pytest.raises(HostGoneError, match=r"(?i)ended before it answered|reset|broken pipe"):
            Client(tmp_path, "1", lives=lambda: False).hello()


def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST)
    rig = SocketRig(deep)
    try:
        assert rig.host.hello()["version"] == "1"
        path = Address(deep).path()
        assert path is not None
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        rig.close()
    assert not path.parent.exists()
    assert not (deep / "socket.path").exists()


DRIVER = """
import sys
from pathlib import Path
from rollout.errors import FencedError
from rollout.host.client import Client
host = Client(Path(sys.argv[1]), "1")
assert host.instances("shop/api") == []
print("checked", flush=True)
sys.stdin.readline()
try:
    host.weigh("shop/api", "api.shop.internal", 100, 1)
except FencedError as error:
    print(error.what, flush=True)
"""


def test_a_driver_stopped_between_check_and_effect_changes_nothing_when_it_goes_on(rig: SocketRig) -> None:
    command = [sys.executable, "-c", DRIVER, str(rig.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdin is not None
        try:
            assert driver.stdout.readline() == "checked\n"
            os.kill(driver.pid, signal.SIGSTOP)
            driver.stdin.write("go on\n")
            driver.stdin.flush()
            rig.host.weigh(SERVICE, NAME, 0, 2)
            os.kill(driver.pid, signal.SIGCONT)
            assert driver.stdout.readline() == "shop/api: taken over by lease 2, this is lease 1\n"
        finally:
            driver.kill()
    route = rig.route()
    assert route is not None
    assert route.weight == 0


def test_many_callers_at_once(rig: SocketRig) -> None:
    def ask(number: int) -> None:
        service = f"shop/s{number % 7}"
        Client(rig.folder, "1").weigh(service, f"s{number % 7}.shop.internal", number, FENCE)

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(100)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    until(lambda: len(rig.edge.routes) == 7)
