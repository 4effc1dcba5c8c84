"""Deploys by the command line, with a real host part, Envoy and web servers from PyPI. One home for all: it is built once."""

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from dnslib import DNSRecord

from rollout.cli.console import report
from rollout.cli.main import app

APP = """
import os
def app(environ, start_response):
    body = os.environ.get("SAYS", "one").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = os.environ.get("SAYS", "one").encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""
SERVERS = {
    "gunicorn": "exec {python} -m gunicorn --no-control-socket -b $HOST:$PORT app:app",
    "uvicorn": "exec {python} -m uvicorn --host $HOST --port $PORT app:asgi",
    "waitress": "exec {python} -m waitress --listen=$HOST:$PORT app:app",
}
MOVES_PORT = """
import http.server, socket, threading, time, pathlib
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"hi")
def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
server = serve()
while not pathlib.Path("move").exists():
    time.sleep(0.02)
server.shutdown(); server.server_close(); server = serve()
time.sleep(600)
"""
LIMIT_S = 20.0


class Said(NamedTuple):
    """What a command wrote."""

    stdout: str
    stderr: str


class Fleet:
    """A home with a host part, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "app.py").write_text(APP)
        (folder / "moves_port.py").write_text(MOVES_PORT)
        (folder / ".rollout").mkdir(mode=0o700)

    def run(self, *words: str, code: int = 0) -> Said:
        """One command, in this process: a new one costs two seconds of imports each time."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = report(lambda: app(args=list(words), prog_name="rollout"))
        assert ended == code, f"{words}: {ended}\n{out.getvalue()}{err.getvalue()}"
        return Said(out.getvalue(), err.getvalue())

    def add(self, name: str, command: str, *more: str) -> None:
        words = ("--tier", "trial", "--environment", "shop", "--customer", "acme", "--draining", "2")
        self.run("service", "add", name, *words, "--command", command.format(python=sys.executable), *more)

    def places(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.run("up", "--json", "--no-scheduler").stdout)
        return found

    def get(self, name: str) -> tuple[int, str]:
        answer = httpx.get(f"http://{self.edge}/", headers={"Host": f"{name}.shop.internal"}, timeout=5)
        return answer.status_code, answer.text

    @property
    def edge(self) -> str:
        return self.places()["edge"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLOUT_HOME", str(fleet.folder / ".rollout"))
        patch.setenv("NO_COLOR", "1")
        patch.chdir(fleet.folder)
        try:
            yield fleet
        finally:
            fleet.run("down", "--yes")


def port_of(dns: str, name: str) -> int | None:
    host, _, port = dns.rpartition(":")
    reply = DNSRecord.parse(DNSRecord.question(name, "SRV").send(host, int(port), timeout=5))
    return int(reply.rr[0].rdata.port) if reply.rr else None


def test_web_servers_are_deployed_and_answer_through_the_edge(fleet: Fleet) -> None:
    for name, command in SERVERS.items():
        fleet.add(name, command, "--health-path", "/")
    done = json.loads(fleet.run("service", "deploy", "--all", "--json").stdout)
    assert [(one["service"], one["release"], one["runtime"]) for one in done["services"]] == [
        (f"shop/{name}", 1, "legacy") for name in sorted(SERVERS)
    ]
    assert {name: fleet.get(name) for name in SERVERS} == dict.fromkeys(SERVERS, (200, "one"))


def test_names_lead_to_the_edge_and_to_the_copy(fleet: Fleet) -> None:
    places = fleet.places()
    assert port_of(places["dns"], "gunicorn.shop.internal") == int(places["edge"].rpartition(":")[2])
    port = port_of(places["dns"], "legacy.gunicorn.shop.internal")
    assert httpx.get(f"http://127.0.0.1:{port}/", timeout=5).text == "one"
    assert port_of(places["dns"], "v2.gunicorn.shop.internal") is None


def test_an_edit_takes_effect_at_the_next_deploy_and_an_old_release_is_there_still(fleet: Fleet) -> None:
    fleet.run("service", "set", "gunicorn", "--env", "SAYS=two")
    assert fleet.get("gunicorn") == (200, "one")
    fleet.run("service", "deploy", "gunicorn")
    assert fleet.get("gunicorn") == (200, "two")
    assert "the setting stays" in fleet.run("service", "deploy", "gunicorn", "--release", "1").stderr
    assert fleet.get("gunicorn") == (200, "one")


def test_a_release_that_crashes_leaves_the_old_one_and_says_why(fleet: Fleet) -> None:
    fleet.run("service", "set", "waitress", "--command", "echo no such module; exit 3")
    told = fleet.run("service", "deploy", "waitress", code=1).stderr
    assert "exit code 3" in told
    assert "no such module" in told
    assert "release 1 runs on" in told
    assert fleet.get("waitress") == (200, "one")
    assert "no such module" in fleet.run("service", "logs", "waitress").stdout


def test_stop_asks_and_leaves_nothing(fleet: Fleet) -> None:
    assert "--yes" in fleet.run("service", "stop", "uvicorn", code=2).stderr
    assert fleet.get("uvicorn") == (200, "one")
    fleet.run("service", "stop", "uvicorn", "--yes")
    assert fleet.get("uvicorn")[0] == 404
    assert fleet.run("service", "restart", "uvicorn", "--yes", code=2).stderr.count("does not run") == 1


def test_v2_finds_a_port_that_nobody_told_it_and_follows_it(fleet: Fleet) -> None:
    fleet.add("rover", "exec {python} moves_port.py", "--health-path", "/", "--runtime", "v2", "--reason", "test")
    fleet.run("service", "deploy", "rover")
    places = fleet.places()
    first = port_of(places["dns"], "v2.rover.shop.internal")
    assert fleet.get("rover") == (200, "hi")
    (fleet.folder / "move").touch()
    limit = time.monotonic() + LIMIT_S
    while port_of(places["dns"], "v2.rover.shop.internal") == first:
        assert time.monotonic() < limit, "the change of port was not followed"
        time.sleep(0.05)
    answer = httpx.get(f"http://{places['edge']}/", headers={"Host": "rover.shop.internal"}, timeout=5)
    assert answer.text == "hi"


def test_every_process_is_told_where_edge_and_names_are(fleet: Fleet) -> None:
    fleet.add("teller", "env; sleep 600", "--kind", "worker")
    fleet.run("service", "deploy", "teller")
    lines = fleet.run("service", "logs", "teller").stdout.splitlines()
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    places = fleet.places()
    assert (told["ROLLOUT_EDGE"], told["ROLLOUT_DNS"], told["HOST"]) == (places["edge"], places["dns"], "127.0.0.1")
    assert told["PORT"].isdigit()
