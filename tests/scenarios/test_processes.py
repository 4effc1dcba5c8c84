"""Real processes behind the real edge: the driver is killed in the middle, everything serves on, the same command resumes."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rollout.wiring.home import Home
from rollout.wiring.host import down, host_part
from rollout.wiring.status import Board
from tests.scenarios.driver import Driver, until
from tests.scenarios.transcript import HERE, run
from tests.wiring.test_host import ours

SERVER = """
import http.server, os, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"well"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Load:
    """Asks one service through the edge the whole time."""

    def __init__(self, edge: str, host: str) -> None:
        self.answers: list[str] = []
        self._edge, self._host = edge, host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        with httpx.Client(base_url=f"http://{self._edge}", headers={"Host": self._host}, trust_env=False, timeout=10) as client:
            while not self._stop.wait(0.02):
                try:
                    self.answers.append(str(client.get("/").status_code))
                except httpx.HTTPError as error:
                    self.answers.append(type(error).__name__)

    def end(self) -> list[str]:
        self._stop.set()
        self._thread.join(20)
        return self.answers


@pytest.fixture
def home_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("NO_COLOR", "1")
    (home.parent / "server.py").write_text(SERVER)
    yield Home(home)
    down(Home(home))


def test_services_serve_on_when_the_driver_is_killed(home_up: Home, drivers: Callable[..., Driver]) -> None:
    run("rollout service add shop/api --tier trial --customer acme --health-path / --command 'exec python3 server.py'")
    assert "release 1 runs on legacy" in run("rollout service deploy shop/api")
    run(f"rollout policy use {HERE / 'fast_bake.toml'}")
    run("rollout plan")
    load = Load(host_part(home_up).hello()["edge"], "api.shop.internal")
    until(lambda: "200" in load.answers)
    killed = drivers("execute", "wave-1")
    killed.says("→ shifting 50 %")
    killed.process.send_signal(signal.SIGKILL)
    killed.ends()
    seen = len(load.answers)
    until(lambda: len(load.answers) > seen + 20)
    assert "nobody drives wave-1 since" in run("rollout status").splitlines()[0]
    resumed = drivers("execute", "wave-1")
    assert resumed.ends() == 0, resumed.err
    assert resumed.out[-1].startswith("wave-1: 1 warm")
    reverted = run("rollout revert shop/api")
    assert "shop/api is back on legacy and blocked" in reverted
    assert set(load.end()) == {"200"}


def test_what_execute_leaves_warm_is_ended_by_a_scheduler_that_it_keeps(home_up: Home) -> None:
    policy = home_up.path.parent / "warm.toml"
    policy.write_text((HERE / "quick.toml").read_text().replace('keep_warm = "0s"', 'keep_warm = "1s"'))
    for name in ("api", "web"):
        run(f"rollout service add shop/{name} --tier trial --customer acme --health-path / --command 'exec python3 server.py'")
    assert "release 1 runs on legacy" in run("rollout service deploy shop/api")
    assert "release 1 runs on legacy" in run("rollout service deploy shop/web")
    run(f"rollout policy use {policy}")
    run("rollout plan --service shop/api")
    run("rollout up --no-scheduler")
    told = run("rollout execute wave-1")
    assert "wave-1: 1 warm, legacy kept until" in told
    assert "! no scheduler runs, so nobody ends what is warm until: rollout up\n" in told
    assert "a scheduler runs" not in run("rollout status"), "up --no-scheduler is a wish that stays"
    run("rollout plan")
    run("rollout up")
    run("rollout down --yes")
    told = run("rollout execute wave-2")
    assert "! a scheduler runs from now on and ends what is warm; rollout down ends it\n" in told, told
    until(lambda: not Board().status().items)
    assert "services: 0 on legacy, 2 on v2" in run("rollout status")
    assert "everything is down" in run("rollout down --yes")
    assert ours(home_up) == []


def test_a_copy_that_does_not_come_up_falls_back_with_its_last_words(home_up: Home, drivers: Callable[..., Driver]) -> None:
    once = "test -e once && { echo no more >&2; exit 3; }; touch once; exec python3 server.py"
    run(f"rollout service add shop/api --tier trial --customer acme --command '{once}'")
    assert "release 1 runs on legacy" in run("rollout service deploy shop/api")
    run(f"rollout policy use {HERE / 'fast.toml'}")
    run("rollout plan")
    told = run("rollout execute wave-1")
    assert "launching → falling back: " in told
    assert told.endswith("[exit 3]\n")
    assert "no more" in run("rollout log shop/api --json")
    assert "services: 1 on legacy, 0 on v2, 1 blocked" in run("rollout status")
