"""`revert --without-store`: the store is gone, damaged or its disk is full, and a service goes back all the same."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.wiring.home import Home
from rollout.wiring.host import client, down, host_part
from tests.scenarios.badness import rollout
from tests.scenarios.driver import Driver, until
from tests.scenarios.test_processes import SERVER, Load
from tests.scenarios.transcript import HERE, run

POLICY = (HERE / "fast_bake.toml").read_text()


class Stage:
    """Two services behind the edge under load; a driver holds the first one at 50 %."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home)
        (home.parent / "server.py").write_text(SERVER)
        (home.parent / "policy.toml").write_text(POLICY)
        for name in ("api", "web"):
            what = f"--tier trial --customer {name} --health-path / --command 'exec python3 server.py'"
            run(f"rollout service add shop/{name} {what}")
            assert "release 1 runs on legacy" in run(f"rollout service deploy shop/{name}")
        run(f"rollout policy use {home.parent / 'policy.toml'}")
        assert "Plan: 2 to move" in run("rollout plan")
        self.edge = host_part(self.home).hello()["edge"]
        self.loads = [Load(self.edge, f"{name}.shop.internal") for name in ("api", "web")]
        for load in self.loads:
            until(lambda load=load: "200" in load.answers)
        self.driver = Driver("execute", "wave-1")
        self.driver.says("→ shifting 50 %")
        assert "wave-1 is paused" in run("rollout pause wave-1")

    def go_on(self) -> None:
        assert "wave-1 goes on" in run("rollout resume wave-1")

    def pids(self) -> set[int | None]:
        return {one.facts.pid for one in client(self.home).instances()}

    def close(self) -> None:
        self.driver.close()
        for load in self.loads:
            load.end()
        down(self.home)


@pytest.fixture
def stage(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("NO_COLOR", "1")
    made: list[Stage] = []
    with contextlib.ExitStack() as after:
        made.append(Stage(home))
        after.callback(made[0].close)
        yield made[0]


def goes_back(stage: Stage) -> None:
    """The person's command works, nothing was stopped, all traffic goes to legacy, drivers are refused."""
    before = stage.pids()
    said = rollout("revert", "api", "--without-store")
    assert (said.code, said.out) == (
        0,
        "shop/api: all traffic goes to legacy, nothing was stopped; the store hears of it when it can be written\n",
    ), said
    assert stage.pids() == before
    assert route(stage) == "0"
    assert [note.service for note in client(stage.home).notes()] == ["shop/api"]
    again = rollout("revert", "shop/api", "--without-store")
    assert again.code == 0
    rollout("revert", "apo", "--without-store").refused(2, "the host part runs no service apo; did you mean api?")


def route(stage: Stage) -> str:
    """v2's share, as the edge reads it."""
    return (stage.home.path / "host" / "edge" / "routes" / "api.shop.internal").read_text().split()[3]


def is_taken_over_and_the_others_go_on(stage: Stage) -> None:
    told = rollout("status")
    assert told.code == 0, told
    (line,) = [line for line in told.out.splitlines() if line.startswith("  shop/api")]
    assert "a driver, to revert as " in line
    assert "led back to legacy without the store at " in line
    assert client(stage.home).notes() == []
    assert route(stage) == "0"
    stage.go_on()
    done = rollout("execute", "wave-1")
    assert done.code == 3, done
    assert "shop/api" in done.out
    assert "fell back" in done.out, done.out
    told = rollout("status")
    assert "1 blocked" in told.out
    assert "shop/api  fell back" in told.out
    assert "shop/web  warm" in told.out
    for load in stage.loads:
        assert set(load.end()) == {"200"}


@pytest.mark.timeout(400)
def test_with_the_store_damaged_then_gone(stage: Stage) -> None:
    stage.driver.process.send_signal(signal.SIGKILL)
    stage.driver.ends()
    store = stage.home.path / "store.sqlite"
    content = store.read_bytes()
    store.write_bytes(b"garbage " * 4096)
    rollout("status").refused(1, str(store), "is damaged", "--without-store")
    goes_back(stage)
    rollout("execute", "wave-1").refused(1, str(store), "is damaged")
    store.unlink()
    rollout("status").refused(1, str(store), "is gone", "led back to legacy without the store: shop/api")
    rollout("execute", "wave-1").refused(1, str(store), "is gone")
    assert rollout("revert", "api", "--without-store").code == 0
    assert len(client(stage.home).notes()) == 1
    assert not store.exists()
    store.write_bytes(content)
    is_taken_over_and_the_others_go_on(stage)
