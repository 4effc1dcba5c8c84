"""A service with a port of its own: one that it does not listen on, and one that another program has taken."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.scenarios.servers import Product, product
from tests.scenarios.transcript import HERE

SERVER = """
import http.server, os, pathlib, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["ROLLOUT_RUNTIME"].encode())
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


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Product]:
    (tmp_path / "server.py").write_text(SERVER)
    with product(tmp_path) as made:
        made("policy", "use", str(HERE / "quick.toml"))
        yield made


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


def ports(rollout: Product, *, legacy: int, v2: int) -> None:
    """The program listens there, whatever PORT says."""
    for runtime, port in (("legacy", legacy), ("v2", v2)):
        (rollout.folder / runtime).write_text(str(port))


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in servers]


def add(rollout: Product, port: int) -> None:
    words = ("--environment", "shop", "--tier", "trial", "--health-path", "/", "--health-timeout", "3", "--port", str(port))
    running = ("--draining", "1", "--restart", "never", "--command", f"exec {sys.executable} server.py")
    rollout("service", "add", "api", *words, *running)


def answers(edge: str) -> str:
    """Where the service is served."""
    asked = urllib.request.Request(f"http://{edge}/", headers={"Host": "api.shop.internal"})
    with urllib.request.urlopen(asked, timeout=20) as reply:
        return str(reply.read().decode())


@pytest.mark.timeout(240)
def test_a_found_port_is_told_and_a_taken_one_keeps_the_service_where_it_is(rollout: Product, takers: ExitStack) -> None:
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
    assert json.loads(rollout("service", "show", "api", "--json"))["copies"] == [
        {"runtime": "v2", "replica": 0, "address": f"127.0.0.1:{found}", "note": note}
    ]
    assert f"{note}, on v2" in rollout("explain", "api")
    assert json.loads(rollout("explain", "api", "--json"))["explanation"]["ports"][0]["note"] == note
    taker = takes(takers, declared)
    assert taken(taker)
    told = rollout("revert", "api", code=4)
    assert f"port {declared} is in use by pid {taker.pid} (" in told
    assert answers(edge) == "v2"
    taker.send_signal(signal.SIGKILL)
    taker.wait()
    assert "is back on legacy" in rollout("revert", "api")
    assert answers(edge) == "legacy"
