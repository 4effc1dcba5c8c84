"""A service with a port of its own: one that it does not listen on, and one that another program has taken."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.scenarios.badness import called
from tests.scenarios.driver import until
from tests.scenarios.servers import Product
from tests.scenarios.transcript import HERE

SERVER = """
import http.server, os, pathlib, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        runtime, ill = os.environ["ROLLOUT_RUNTIME"], os.path.exists("ill")
        self.send_response(500 if ill and runtime == "v2" else 200); self.end_headers(); self.wfile.write(runtime.encode())
    def log_message(self, *_): pass
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
port = int(pathlib.Path(os.environ["ROLLOUT_RUNTIME"]).read_text())
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
TAKER = """
import signal, socket, sys, time
while True:
    try:
        taken = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    except OSError:
        time.sleep(0.001)
    else:
        print("taken", flush=True)
        signal.pause()
"""


class Near(Product):
    """Its commands run in this process, which has loaded them already; `apart` gives one a process of its own."""

    def __call__(self, *words: str, code: int = 0) -> str:
        done = called(*words)
        assert done.code == code, f"rollout {' '.join(words)}\n{done.out}\n{done.err}"
        self.said = done.err
        return done.out

    def apart(self, *words: str, code: int = 0) -> str:
        return super().__call__(*words, code=code)


@pytest.fixture
def rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Near]:
    (tmp_path / "server.py").write_text(SERVER)
    made = Near(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    made("policy", "use", str(HERE / "quick.toml"))
    try:
        yield made
    finally:
        made("down", "--yes")


@pytest.fixture
def takers() -> Iterator[ExitStack]:
    """Programs that take a port as soon as it is free, all ended with the test."""
    with ExitStack() as stack:
        yield stack


def takes(takers: ExitStack, port: int) -> "subprocess.Popen[str]":
    taker = subprocess.Popen([sys.executable, "-c", TAKER, str(port)], stdout=subprocess.PIPE, text=True)
    takers.enter_context(taker)
    takers.callback(taker.kill)
    return taker


def taken(taker: "subprocess.Popen[str]") -> bool:
    return taker.stdout is not None and taker.stdout.readline() == "taken\n"


def ports(rollout: Near, *, legacy: int, v2: int) -> None:
    """The program listens there, whatever PORT says."""
    for runtime, port in (("legacy", legacy), ("v2", v2)):
        (rollout.folder / runtime).write_text(str(port))


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in servers]


def add(rollout: Near, port: int) -> None:
    words = ("--environment", "shop", "--tier", "trial", "--health-path", "/", "--health-timeout", "3", "--port", str(port))
    running = ("--draining", "1", "--restart", "never", "--command", f"exec {sys.executable} server.py")
    rollout("service", "add", "api", *words, *running)


def serves(edge: str) -> str:
    """Where the service is served; empty where it is not."""
    try:
        return answers(edge)
    except urllib.error.HTTPError:
        return ""


def answers(edge: str) -> str:
    """Where the service is served."""
    asked = urllib.request.Request(f"http://{edge}/", headers={"Host": "api.shop.internal"})
    with urllib.request.urlopen(asked, timeout=20) as reply:
        return str(reply.read().decode())


@pytest.mark.timeout(240)
def test_a_found_port_is_told_and_a_taken_one_keeps_the_service_where_it_is(rollout: Near, takers: ExitStack) -> None:
    declared, found = free_ports(2)
    ports(rollout, legacy=declared, v2=found)
    add(rollout, declared)
    rollout("service", "deploy", "api")
    edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]
    assert "port" not in rollout("explain", "api").split(), "what was expected is not remarked on"
    rollout("plan")
    note = f"found {found}, declared {declared}"
    assert f"proving → shifting: {note}" in rollout("execute", "wave-1", "--yes")
    assert note in rollout("log", "api")
    assert f"127.0.0.1:{found} on v2: {note}" in rollout("service", "show", "api")
    address = f"127.0.0.1:{found}"
    assert json.loads(rollout("service", "show", "api", "--json"))["copies"] == [
        {"runtime": "v2", "replica": 0, "address": address, "note": note, "apart": False, "others": [], "for_itself": []}
    ]
    assert f"{note}, on v2" in rollout("explain", "api")
    assert json.loads(rollout("explain", "api", "--json"))["explanation"]["ports"][0]["note"] == note
    taker = takes(takers, declared)
    assert taken(taker)
    told = rollout("revert", "api", code=4)
    assert f"port {declared} is in use by pid {taker.pid} (" in told
    assert answers(edge) == "v2"
    end(taker)
    assert "is back on legacy" in rollout("revert", "api")
    assert answers(edge) == "legacy"


def recreated(rollout: Near) -> tuple[int, str]:
    """The service runs on legacy, planned to be recreated on v2: its port, and the edge's address."""
    (declared,) = free_ports(1)
    ports(rollout, legacy=declared, v2=declared)
    add(rollout, declared)
    rollout("service", "deploy", "api")
    rollout("plan")
    return declared, str(json.loads(rollout("up", "--no-scheduler", "--json"))["edge"])


def end(taker: "subprocess.Popen[str]") -> None:
    taker.send_signal(signal.SIGKILL)
    taker.wait()


@pytest.mark.timeout(240)
def test_a_port_that_is_taken_in_the_gap_is_told_and_the_named_command_brings_the_service_back(
    rollout: Near, takers: ExitStack
) -> None:
    port, edge = recreated(rollout)
    taker = takes(takers, port)
    holder = f"port {port} is in use by pid {taker.pid} ("
    assert holder in rollout.apart("execute", "wave-1", "--yes", code=4)
    assert "shop/api is stuck; nobody tries legacy again before: rollout up; " in rollout.said
    assert "once the cause is gone, at once: rollout revert shop/api" in rollout.said
    assert holder in rollout("execute", "wave-1", code=4), "what is stuck has one more turn"
    told = rollout("status")
    assert holder in told
    assert "nobody drives wave-1 since" in told
    assert "waits for legacy to come up: it is launched again and again" in " ".join(told.split())
    end(taker)
    assert "shop/api is back on legacy and blocked" in rollout("revert", "api")
    assert answers(edge) == "legacy"


@pytest.mark.timeout(240)
def test_a_port_that_is_taken_while_a_move_falls_back_is_taken_again_by_itself_once_it_is_free(
    rollout: Near, takers: ExitStack
) -> None:
    slow = (HERE / "quick.toml").read_text().replace('bake = "100ms"', 'bake = "10m"')
    (rollout.folder / "slow.toml").write_text(slow)
    rollout("policy", "use", "slow.toml")
    port, edge = recreated(rollout)
    rollout("up")
    rollout("execute", "wave-1", "--yes", "--detach")
    until(lambda: serves(edge) == "v2")
    taker = takes(takers, port)
    (rollout.folder / "ill").touch()
    assert taken(taker)
    until(lambda: f"port {port} is in use by pid {taker.pid} (" in rollout("status"))
    assert serves(edge) == ""
    end(taker)
    until(lambda: serves(edge) == "legacy")
    until(lambda: "shop/api  fell back" in rollout("status"))
