"""One planted fault for each gate, with real processes behind the real edge: seen to stop the move, and legacy serves on.

What becomes of every fault before every gate, in virtual time: tests/gates/test_planted.py.
"""

import http.client
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.scenarios.servers import LIMIT_S, Asking, Product, product
from tests.scenarios.transcript import HERE

SERVER = """
import os, sys, time, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

v2 = os.environ["ROLLOUT_RUNTIME"] == "v2"
fault = sys.argv[1] if v2 else ""
takes_s = 0.03 * {"sluggish": 5, "slow": 1.6}.get(fault, 1)
lock, asked, looked = threading.Lock(), 0, 0

class Answer(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", -1, True

    def do_GET(self):
        global asked, looked
        with lock:
            asked += self.path == "/"
            looked += self.path != "/"
            bad = (fault == "errors" and asked >= 30) if self.path == "/" else (fault == "unwell" and looked > 10)
        if self.path == "/":
            time.sleep(takes_s)
        body = os.environ["ROLLOUT_RUNTIME"].encode()
        self.send_response(503 if bad else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

Server(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""
STOPPED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "unwell": ("health", "503", ("rule: 2 of the last 2 looks good", "threshold: 2 good looks")),
    "errors": ("traffic", "v2 failed ", ("rule: v2's rate of failures <= legacy's + max_increase", "2.0% more failures")),
    "sluggish": ("traffic", "v2 is much slower than legacy at the same time: ", ("threshold: 100% slower, or 20 ms",)),
    "slow": ("performance", "% slower than legacy at the same time (median ", ("20% slower, or 2 ms", "150 requests")),
}
"""The gate that stops it, what it says, and what `explain --numbers` tells of rule and threshold."""


class Load(Asking):
    """Two clients that ask a service through the edge; what they get is told by the edge and the gates."""

    def __init__(self, edge: str, name: str) -> None:
        self.edge, self.name = edge, name
        super().__init__(self._ask, self._ask)

    def _ask(self) -> None:
        while self.goes_on():
            answers(self.edge, self.name, 20)


def answers(edge: str, name: str, count: int) -> list[tuple[int, str]]:
    """Status and body of so many requests, one after the other."""
    connection = http.client.HTTPConnection(edge, timeout=LIMIT_S)
    found = []
    for _ in range(count):
        connection.request("GET", "/", headers={"Host": f"{name}.shop.internal"})
        reply = connection.getresponse()
        found.append((reply.status, reply.read().decode()))
    connection.close()
    return found


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Product]:
    (tmp_path / "server.py").write_text(SERVER)
    with product(tmp_path) as made:
        made("policy", "use", str(HERE / "gates.toml"))
        yield made


@pytest.mark.timeout(300)
def test_each_gate_is_seen_to_stop_its_fault_and_an_innocent_service_moves(rollout: Product) -> None:
    for name in (*STOPPED, "fine"):
        command = f"exec {sys.executable} -S -E server.py {name}"
        rollout(
            "service", "add", name, "--environment", "shop", "--tier", "trial", "--health-path", "/health", "--command", command
        )
    rollout("service", "deploy", "--all")
    edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]
    rollout("plan", "--tier", "trial")
    with ExitStack() as asking:
        for name in (*STOPPED, "fine"):
            asking.enter_context(Load(edge, name))
        told = rollout("execute", "wave-1", "--yes", code=3)
    for name, (gate, *_) in STOPPED.items():
        assert f"shop/{name}  fell back: {gate}: " in told
    runs = {one["id"]: one["runs_on"] for one in json.loads(rollout("service", "list", "--json"))["services"]}
    assert runs.pop("shop/fine") == ["v2"]
    assert answers(edge, "fine", 3) == [(200, "v2")] * 3
    assert runs == {f"shop/{name}": ["legacy"] for name in STOPPED}
    for name in STOPPED:
        assert answers(edge, name, 5) == [(200, "legacy")] * 5
        assert_told(rollout, name)


def assert_told(rollout: Product, name: str) -> None:
    """Number, rule, threshold, and how long it took."""
    gate, said, more = STOPPED[name]
    verdicts = json.loads(rollout("explain", name, "--numbers", "--json"))["numbers"]["verdicts"]
    assert [one["gate"] for one in verdicts if one["outcome"] == "fail"] == [gate]
    told = " ".join(rollout("explain", name, "--numbers").split())
    assert f"{gate}: fail (shifting, 50 % on v2)" in told
    for text in (said, *more, "first bad sample to decision: "):
        assert text in told, told
