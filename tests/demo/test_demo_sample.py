"""The sample services do what the story tells of them: as real programs, called by the real load client."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from rollout.demo import leftovers
from rollout.demo.load import Load, one_request
from rollout.demo.services import Fault, command, free_port, parts
from rollout.model.fleet import Kind, Tier

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str, **env: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command(*options), env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.02)


def connected(port: int) -> http.client.HTTPConnection:
    until(lambda: leftovers.answers(f"127.0.0.1:{port}"))
    return http.client.HTTPConnection("127.0.0.1", port, timeout=5)


@dataclass
class Left:
    """What was asked of a server that takes calls: how often it was called, and what was left with it."""

    calls: int = 0
    path: str = ""
    host: str = ""
    untold: list[dict[str, object]] = field(default_factory=list)


@contextmanager
def left_with(port: int) -> Iterator[Left]:
    left = Left()

    class Takes(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            left.calls += 1
            self._answer()

        def do_POST(self) -> None:
            left.path, left.host = self.path, self.headers["host"]
            left.untold = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self._answer()

        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Takes)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield left
    finally:
        server.shutdown()
        server.server_close()


def test_the_fault_errors_shows_from_the_30th_request_on_v2_while_health_stays_good(start: Start) -> None:
    port = free_port()
    start("http", "--fault", "errors", PORT=str(port), ROLLOUT_RUNTIME="v2")
    connection = connected(port)
    for _ in range(3):
        connection.request("GET", "/health")
        assert connection.getresponse().read()
    statuses = [one_request(connection, "shop/search", "search", post=n % 2 == 0).status for n in range(32)]
    assert statuses == [200] * 29 + [500] * 3
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()


def test_the_fault_errors_does_not_show_on_legacy(start: Start) -> None:
    port = free_port()
    start("http", "--fault", "errors", PORT=str(port), ROLLOUT_RUNTIME="legacy")
    connection = connected(port)
    assert {one_request(connection, "shop/search", "search").status for _ in range(35)} == {200}
    connection.close()


@pytest.mark.parametrize(("runtime", "code"), [("v2", 1), ("legacy", None)])
def test_the_fault_crash_ends_on_v2_alone_and_says_why(start: Start, runtime: str, code: int | None) -> None:
    port = free_port()
    process = start("http", "--fault", "crash", PORT=str(port), ROLLOUT_RUNTIME=runtime)
    if code is None:
        connected(port).close()
        assert process.poll() is None
        return
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, output.startswith("fatal: ")) == (code, True)


@pytest.mark.parametrize(("runtime", "seconds"), [("legacy", 0.05), ("v2", 0.07)])
def test_the_fault_slow_takes_40_percent_longer_on_v2_alone(start: Start, runtime: str, seconds: float) -> None:
    port = free_port()
    start("http", "--takes", "50", "--fault", "slow", PORT=str(port), ROLLOUT_RUNTIME=runtime)
    connection = connected(port)
    shots = [one_request(connection, "shop/prices", "prices") for _ in range(5)]
    connection.close()
    assert {shot.status for shot in shots} == {200}
    assert seconds <= min(shot.ended - shot.began for shot in shots)


def test_a_port_is_left_for_another_and_open_connections_stay(start: Start) -> None:
    port = free_port()
    process = start("http", "--leaves-port-after", "0.2", PORT=str(port), ROLLOUT_RUNTIME="v2")
    connection = connected(port)
    assert one_request(connection, "bank/rates", "rates").status == 200
    until(lambda: not leftovers.answers(f"127.0.0.1:{port}"))
    assert one_request(connection, "bank/rates", "rates").status == 200
    connection.close()
    assert process.stdout is not None
    first, second = (int(process.stdout.readline().split()[-1]) for _ in range(2))
    assert (first == port, second != port, leftovers.answers(f"127.0.0.1:{second}")) == (True, True, True)


def test_a_second_copy_on_the_volume_ends(start: Start, tmp_path: Path) -> None:
    port, data = free_port(), str(tmp_path / "data")
    start("http", "--data", data, PORT=str(port))
    connected(port).close()
    second = start("http", "--data", data, PORT=str(free_port()))
    output, _ = second.communicate(timeout=10)
    assert (second.returncode, "in use by another copy" in output) == (1, True)


@pytest.mark.parametrize("options", [("worker",), ("http",)])
def test_term_ends_a_sample_with_exit_code_0(start: Start, options: tuple[str, ...]) -> None:
    port = free_port()
    process = start(*options, PORT=str(port))
    if options == ("http",):
        connected(port).close()
    else:
        assert process.stdout is not None
        assert "finished piece 1" in process.stdout.readline()
    process.terminate()
    output, _ = process.communicate(timeout=10)
    assert (process.returncode, "stopped after" in output) == (0, True)


def test_a_sample_that_cannot_listen_ends(start: Start) -> None:
    port = free_port()
    start("http", PORT=str(port))
    connected(port).close()
    second = start("http", "--port", str(port))
    second.communicate(timeout=10)
    assert second.returncode == 1


def test_the_neighbour_tells_every_call_once_and_leaves_the_rest_with_its_next_copy(start: Start) -> None:
    called, first, second = free_port(), free_port(), free_port()
    calling = ("http", "--calls", "api.shop.internal", "--own", "web.shop.internal")
    start("http", PORT=str(called))
    connected(called).close()
    old = start(*calling, PORT=str(first), ROLLOUT_EDGE=f"127.0.0.1:{called}")
    heard: list[dict[str, object]] = []
    connection = connected(first)

    def tells() -> bool:
        one_request(connection, "shop/web", "web", hear=lambda said: heard.extend(json.loads(said)["calls"]))
        return len(heard) > 10

    until(tells)
    assert {call["status"] for call in heard} == {200}
    assert len({str(call["id"]) for call in heard}) == len(heard)
    connection.close()
    with left_with(second) as left:  # stands where the edge stands: its own name leads to whom comes after it
        leaving = start(*calling, PORT=str(free_port()), ROLLOUT_EDGE=f"127.0.0.1:{second}")
        until(lambda: left.calls > 5)
        leaving.terminate()
        assert leaving.wait(10) == 0
    assert (left.path, left.host) == ("/calls", "web.shop.internal")
    assert len(left.untold) == left.calls
    connection = connected(first)
    connection.request("POST", "/calls", json.dumps(left.untold))
    assert connection.getresponse().read()
    kept = len(heard)
    until(tells)
    assert {str(call["id"]) for call in left.untold} <= {str(call["id"]) for call in heard[kept:]}
    connection.close()
    old.terminate()
    assert old.wait(10) == 0


def test_the_load_client_counts_per_service_and_hears_of_the_neighbours_calls(start: Start) -> None:
    port, calling = free_port(), free_port()
    start("http", PORT=str(port))
    connected(port).close()
    start("http", "--calls", "api.shop.internal", "--own", "web", PORT=str(calling), ROLLOUT_EDGE=f"127.0.0.1:{port}")
    connected(calling).close()
    names = {"shop/web": "web.shop.internal", "shop/orders": "orders.shop.internal"}
    load = Load(f"127.0.0.1:{calling}", names, {"shop/web": 1, "shop/orders": 2}, 7)
    load.busy(["shop/web", "shop/orders"])
    load.start()
    until(lambda: len({shot.service for shot in load.shots()}) == 2 and len(load.calls()) > 3)
    load.stop()
    shots = load.shots()
    assert {shot.status for shot in shots} == {200}
    assert len({shot.id for shot in shots}) == len(shots)
    assert (load.calls()[0]["status"], load.calls()[0]["error"]) == (200, "")
    load.stop()
    assert len(load.shots()) == len(shots)


def test_a_request_without_an_answer_is_an_outcome_not_an_exception() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", free_port(), timeout=5)
    shot = one_request(connection, "shop/api", "api.shop.internal")
    assert (shot.status, "refused" in shot.error, shot.good) == (0, True, False)


def test_leftovers_are_found_by_folder_socket_and_file_and_swept(start: Start, tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "home"
    folder.mkdir()
    process = start("http", PORT=str(port), SOME_PLACE=f"{folder}/kept")
    connected(port).close()
    found = leftovers.look(folder, [f"127.0.0.1:{port}"], [tmp_path, tmp_path / "absent"])
    assert [line.split()[0] for line in found] == ["process", "socket", "file", "file"]
    assert str(process.pid) in found[0]
    leftovers.sweep(folder)
    assert not psutil.pid_exists(process.pid) or psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert leftovers.look_until_gone(lambda: leftovers.look(folder, [f"127.0.0.1:{port}"], []), time.sleep) == []


def test_the_fleet_of_the_story_has_four_tiers_three_environments_and_the_promised_parts(tmp_path: Path) -> None:
    fleet = parts(tmp_path)
    services = [part.service for part in fleet]
    assert len({service.id for service in services}) == len(services) == 24
    assert {service.tier for service in services} == set(Tier)
    assert len({service.environment for service in services}) == 3
    assert sorted(part.fault for part in fleet if part.fault) == [Fault.CRASH, Fault.ERRORS, Fault.SLOW]
    for special in ([p for p in fleet if p.pin], [p for p in fleet if p.leaves_port], [s for s in services if s.volumes]):
        assert len(special) == 1
    assert [part.service.id for part in fleet if not part.takes_traffic] == ["blog/mailer", "shop/archive"]
    assert [service.kind for service in services].count(Kind.WORKER) == 1
    calling = [service for service in services if service.command and "--calls" in service.command]
    assert len(calling) == 1
    assert calling[0].command
    assert calling[0].command[calling[0].command.index("--calls") + 1] in {s.host_name for s in services}
