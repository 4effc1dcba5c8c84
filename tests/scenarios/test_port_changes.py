"""A program that leaves its port for another one and tells nobody, at any time on v2: nobody notices, nothing falls back."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.edge.settings import EdgeSettings, keep_settings
from tests.scenarios.driver import until
from tests.scenarios.servers import Product, WebLoad, product
from tests.scenarios.test_servers import by, edge_saw
from tests.scenarios.transcript import HERE

SERVER = """
import http.server, os, pathlib, sys, threading, time
RUNTIME, BOTH_S = os.environ["ROLLOUT_RUNTIME"], 1.0
class Handler(http.server.BaseHTTPRequestHandler):  # HTTP/1.0: no connection outlives its answer
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/slow":
            time.sleep(0.3)
        self.send_response(200); self.end_headers(); self.wfile.write(f"{RUNTIME} {os.getpid()}\\n".encode())
    do_POST = do_GET
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
def listen(port):
    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server
server = listen(int(os.environ["PORT"]))
for change in range(1, 4):
    while RUNTIME != "v2" or not pathlib.Path(f"leave-{change}").exists():
        time.sleep(0.02)
    other = listen(0)
    time.sleep(BOTH_S)
    server.shutdown()
    server.socket.setblocking(False)
    while True:  # who has connected already is answered: closing would reset them, and a POST may not be asked twice
        try:
            request, client = server.socket.accept()
        except BlockingIOError:
            break
        request.setblocking(True)
        server.process_request(request, client)
    server.server_close()
    server = other
    pathlib.Path(f"left-{change}").touch()
"""


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Product]:
    (tmp_path / "server.py").write_text(SERVER)
    with product(tmp_path) as made:
        patient = EdgeSettings(connect_s=10.0)  # a busy machine is slow to connect; a port that was left refuses at once
        keep_settings(made.home / "host" / "edge", patient)
        made("policy", "use", str(HERE / "port_changes.toml"))
        yield made


def leaves(rollout: Product, change: int) -> None:
    """The program has left its port."""
    (rollout.folder / f"leave-{change}").touch()
    until((rollout.folder / f"left-{change}").exists)


def leaves_while_it_moves(rollout: Product) -> list[str]:
    """Its wave is executed; it leaves its port in the traffic step and in the bake. What was told."""
    words = [sys.executable, "-m", "rollout", "execute", "wave-1", "--yes"]
    told: list[str] = []
    with subprocess.Popen(words, cwd=rollout.folder, env=rollout.env, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            told.append(line)
            for change, state in ((1, "→ shifting 50 %"), (2, "→ baking")):
                if state in line:
                    leaves(rollout, change)
    assert driver.returncode == 0, told
    return told


@pytest.mark.timeout(120)
def test_a_port_that_changes_in_the_traffic_steps_in_the_bake_and_afterwards(rollout: Product) -> None:
    words = ("--environment", "shop", "--tier", "trial", "--health-path", "/", "--command", f"exec {sys.executable} server.py")
    rollout("service", "add", "wanderer", *words)
    rollout("service", "deploy", "wanderer")
    edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]
    rollout("plan")
    with WebLoad(edge, "wanderer.shop.internal") as load:
        before = by(load.fresh(), "legacy")
        told = leaves_while_it_moves(rollout)
        assert "1 finished" in told[-1], told
        assert [line for line in told if "falling back" in line] == []
        leaves(rollout, 3)
        assert load.bad == [], load.bad
        after = by(load.fresh(), "v2")
    assert load.bad == [], load.bad
    assert before.isdisjoint(after)
    assert len(after) == 1, "it is the same process on all its ports"
    until(lambda: len(edge_saw(rollout, "wanderer")) >= load.good)
    lines = edge_saw(rollout, "wanderer")
    assert [line for line in lines if line.failed or (line.attempts > 1 and not line.followed)] == []
    assert len({line.upstream for line in lines if line.side == "v2"}) == 4, "four ports answered on v2"
