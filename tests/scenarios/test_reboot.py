"""In the middle of a wave everything goes down, or the host is started again: all is as it was, and the wave goes on."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from rollout.host.ports import Phase
from rollout.wiring.home import Home
from rollout.wiring.host import down, host_part, running
from rollout.wiring.seen import folder
from tests.scenarios.driver import Driver, until
from tests.scenarios.transcript import HERE, run
from tests.wiring.test_host import ours

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["ROLLOUT_RUNTIME"].encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
NAMES = ("a", "b", "c")
BOTH = {"legacy", "v2"}


@pytest.fixture
def home_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("NO_COLOR", "1")
    (home.parent / "server.py").write_text(SERVER)
    yield Home(home)
    down(Home(home))
    until(lambda: ours(Home(home)) == [])


def in_the_middle(drivers: Callable[..., Driver]) -> None:
    """a is warm, b is at 50 %, c has not begun; nobody drives any more."""
    for name in NAMES:
        run(f"rollout service add shop/{name} --tier trial --customer {name} --health-path / --command 'exec python3 server.py'")
    assert "3 deployed" in run("rollout service deploy --all")
    run(f"rollout policy use {HERE / 'reboot.toml'}")
    assert "3 to move" in run("rollout plan")
    driver = drivers("execute", "wave-1")
    driver.says("shop/b  shifting 10 % → shifting 50 %")
    assert "[exit 6]" in run("rollout down --yes")
    driver.process.send_signal(signal.SIGKILL)
    driver.ends()


def stands(at: Home) -> dict[str, object]:
    """What the store and the host part say, without times and processes."""
    status = json.loads(run("rollout status --json"))["status"]
    client = host_part(at, start=False)
    return {
        "moves": sorted((one["service"], one["state"], one["weight"]) for one in status["items"]),
        "services": [shown(name) for name in NAMES],
        "instances": sorted((one.id, one.runtime, one.release, one.facts.phase) for one in client.instances() if one.wanted),
        "weights": sorted((one.service, one.weight) for one in client.known()),
        "names": sorted(path.name for path in (folder(at.path) / "names").iterdir()),
    }


def shown(name: str) -> dict[str, object]:
    """What is told of a service, but for the ports of its copies: those are new after a reboot."""
    told: dict[str, object] = json.loads(run(f"rollout service show shop/{name} --json"))
    return told | {"copies": [f"{one['runtime']} {one['replica']}" for one in told["copies"]]}  # type: ignore[attr-defined]


def check_traffic(at: Home) -> None:
    """Every service answers: c from legacy, b from both, a from v2 alone."""
    edge = host_part(at, start=False).hello()["edge"]
    for name, sides in (("a", {"v2"}), ("b", BOTH), ("c", {"legacy"})):
        until(lambda name=name, sides=sides: answers(edge, name) == sides)


def answers(edge: str, name: str) -> set[str]:
    with httpx.Client(headers={"Host": f"{name}.shop.internal"}, trust_env=False, timeout=10) as client:
        found = [client.get(f"http://{edge}/") for _ in range(40)]
    return {one.text if one.status_code == 200 else str(one.status_code) for one in found}


def reboot(at: Home) -> None:
    """Every process of the home is dead at once, its sockets and states are left as they were, the boot id is another one."""
    for process in ours(at):
        if process.is_running():
            process.kill()
    until(lambda: ours(at) == [])
    until(lambda: not running(at))
    assert (folder(at.path) / "services" / "boot").read_text()
    (folder(at.path) / "services" / "boot").write_text("the boot before this one")


def brought_back(at: Home, before: dict[str, object], count: int) -> None:
    said = run("rollout up --no-scheduler")
    assert f"started the host part, brought back {count} instances" in said
    assert "[exit" not in said
    assert stands(at) == before
    check_traffic(at)
    assert "the host part runs\n" in run("rollout up --no-scheduler"), "the second time there is nothing to do"
    assert stands(at) == before


def test_all_is_as_it_was_and_the_wave_goes_on(home_up: Home, drivers: Callable[..., Driver]) -> None:
    in_the_middle(drivers)
    check_traffic(home_up)
    before = stands(home_up)
    assert {phase for *_, phase in before["instances"]} == {Phase.RUNNING}  # type: ignore[attr-defined]  # a list
    copies = len(before["instances"])  # type: ignore[arg-type]  # the same
    assert copies == 5

    told = run("rollout down --yes")
    assert [f"shop/{name}  {count} instance" in told for name, count in zip(NAMES, (2, 2, 1), strict=True)] == [True] * 3
    assert ours(home_up) == []
    brought_back(home_up, before, copies)

    reboot(home_up)
    brought_back(home_up, before, copies)

    down(home_up)
    shutil.rmtree(folder(home_up.path) / "services")
    brought_back(home_up, before, copies)

    reboot(home_up)
    last = drivers("execute", "wave-1")
    assert last.ends() == 0, (last.out, last.err)
    assert any(f"started the host part, brought back {copies} instances" in line for line in last.err), last.err
    assert any("wave-1: 3 warm" in line for line in last.out), last.out
    assert not any("fell" in line or "fall" in line for line in (*last.out, *last.err)), last.out
    edge = host_part(home_up, start=False).hello()["edge"]
    assert [answers(edge, name) for name in NAMES] == [{"v2"}] * 3
