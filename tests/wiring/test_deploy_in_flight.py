"""An owner's deploy, stop, remove or pin in the middle of a move: the move is brought back (or finished) first, then they act."""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.cli.console import report
from rollout.cli.main import app
from rollout.executor.ports import ControlKind
from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.state import State
from rollout.store.controls import Ask, Controls
from rollout.store.deploys import Deploys
from rollout.store.progress import Progress
from rollout.wiring import actor
from rollout.wiring.home import Home

POLICY = """
name = "slow"
[traffic]
steps = [50, 100]
step = "{step}"
bake = "200ms"
keep_warm = "1h"
[gates.health]
passes = 1
looks = 1
over = "0s"
every = "50ms"
[[tier]]
name = "trial"
"""
ROOT = Path(__file__).parents[2]
LIMIT_S = 40.0


class World:
    """A home whose one service runs in memory on legacy, planned to move."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        self.database = Home(home).database()
        self.deploys = Deploys(self.database, actor.now)
        self.said = ""

    def run(self, *words: str) -> int:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = report(lambda: app(args=list(words), prog_name="rollout"))
        self.said = out.getvalue()
        return code

    def begin(self, step: str) -> None:
        (self.folder / "policy.toml").write_text(POLICY.format(step=step))
        for words in (
            ("service", "add", "api", "--environment", "shop", "--tier", "trial", "--customer", "acme", "--command", "true"),
            ("service", "deploy", "api"),
            ("plan", "--policy", "policy.toml"),
        ):
            assert self.run(*words) == 0, self.said

    def move(self) -> Move | None:
        return Progress(self.database).last_move("shop/api")

    def wait(self, condition: Callable[[Move], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while (row := self.move()) is None or not condition(row):
            assert time.monotonic() < limit, f"the move stands at {row.state if row else 'nothing'}"
            time.sleep(0.05)

    def known(self) -> bool:
        return self.run("service", "show", "api") == 0

    def runs(self) -> list[tuple[RuntimeName, int]]:
        return [(one.runtime, one.release) for one in self.deploys.placements("shop/api")]


@pytest.fixture
def world(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("ROLLOUT_ENGINE", "memory")
    return World(home, tmp_path)


@contextlib.contextmanager
def driver(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A process that executes the wave; ended by its pid."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rollout", "execute", "wave-1", "--yes"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        world.wait(lambda row: row.state is State.SHIFTING and row.weight == 50)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("alive", [False, True])
def test_deploy_brings_back_first_and_is_no_failure(world: World, alive: bool) -> None:
    world.begin(step="10m")
    with driver(world) as process:
        if not alive:
            process.kill()
            process.wait()
        assert world.run("service", "deploy", "api") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, row.counts, row.blocks) == (State.ABORTED, False, False)
    assert world.runs() == [(RuntimeName.LEGACY, 2)]
    assert "wave-1 is over for it: aborted" in world.said


def test_stop_brings_back_first(world: World) -> None:
    world.begin(step="10m")
    with driver(world) as process:
        process.kill()
        process.wait()
    assert world.run("service", "stop", "api", "--yes") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, world.runs()) == (State.ABORTED, [])


@pytest.mark.parametrize("alive", [False, True])
def test_remove_brings_back_first_then_stops_and_removes(world: World, alive: bool) -> None:
    world.begin(step="10m")
    with driver(world) as process:
        if not alive:
            process.kill()
            process.wait()
        assert world.run("service", "remove", "api", "--yes") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, row.counts, row.blocks, world.runs()) == (State.ABORTED, False, False, [])
    assert "wave-1 is over for it: aborted" in world.said
    assert not world.known()


@pytest.mark.parametrize(("act", "left"), [("stop", []), ("remove", [])])
def test_a_warm_move_is_finished_before_its_service_goes(world: World, act: str, left: list[tuple[RuntimeName, int]]) -> None:
    world.begin(step="50ms")
    assert world.run("execute", "wave-1", "--yes") == 0, world.said
    assert world.run("service", act, "api", "--yes") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, world.runs()) == (State.FINISHED, left)
    assert world.known() is (act == "stop")


def test_a_running_service_is_removed_by_somebody_who_was_asked(world: World) -> None:
    world.begin(step="50ms")
    assert world.run("service", "remove", "api") == 2
    assert "Remove shop/api, release 1 on legacy (1 replica), with its releases" in world.said
    assert "It runs, and serves nobody then." in world.said
    assert world.runs() == [(RuntimeName.LEGACY, 1)]
    assert world.run("service", "remove", "api", "--yes") == 0, world.said
    assert not world.known()


def test_a_warm_move_is_finished_first_and_the_deploy_goes_to_v2(world: World) -> None:
    world.begin(step="50ms")
    assert world.run("execute", "wave-1", "--yes") == 0, world.said
    row = world.move()
    assert row is not None
    assert row.state is State.WARM
    assert world.run("service", "deploy", "api") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, world.runs()) == (State.FINISHED, [(RuntimeName.V2, 2)])


def test_a_move_that_has_not_begun_is_skipped_by_the_wave_and_the_deploy_waits_for_nothing(world: World) -> None:
    world.begin(step="50ms")
    assert world.run("service", "deploy", "api") == 0, world.said
    assert world.runs() == [(RuntimeName.LEGACY, 2)]
    world.run("execute", "wave-1", "--yes")
    row = world.move()
    assert row is not None
    assert row.state is State.SKIPPED


@pytest.mark.parametrize("alive", [False, True])
def test_a_pin_brings_back_first_and_is_no_failure(world: World, alive: bool) -> None:
    world.begin(step="10m")
    with driver(world) as process:
        if not alive:
            process.kill()
            process.wait()
        assert world.run("pin", "api", "--reason", "a trade fair") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.state, row.counts, row.blocks) == (State.ABORTED, False, False)
    assert world.runs() == [(RuntimeName.LEGACY, 1)]
    assert "its move in wave-1 is aborted" in world.said
    assert world.run("explain", "api") == 0
    assert "setting    legacy (owner)" in world.said
    assert world.run("unpin", "api") == 0
    assert "may be planned again" in world.said
    assert world.run("plan") == 0
    assert "1 to move, 0 pinned" in world.said


def test_an_unpin_takes_back_what_no_driver_has_obeyed_yet(world: World) -> None:
    world.begin(step="10m")
    with driver(world) as process:
        process.kill()
        process.wait()
    controls = Controls(world.database)
    ask = Ask(kind=ControlKind.OWNER, subject="shop/api", actor="ann", reason="a trade fair", value="pin")
    controls.write(ask, now=actor.now())
    assert world.run("unpin", "api") == 0, world.said
    assert not list(controls.standing(now=actor.now()))


def test_a_pin_of_a_finished_service_is_a_back_move_that_does_not_block(world: World) -> None:
    world.begin(step="50ms")
    assert world.run("execute", "wave-1", "--yes") == 0, world.said
    assert world.run("service", "deploy", "api") == 0, world.said
    assert world.runs() == [(RuntimeName.V2, 2)]
    assert world.run("pin", "api", "--reason", "a trade fair") == 0, world.said
    row = world.move()
    assert row is not None
    assert (row.id, row.state, row.blocks) == ("back-1/shop/api", State.FINISHED, False)
    assert [runtime for runtime, _ in world.runs()] == [RuntimeName.LEGACY]
    assert "it is back on legacy" in world.said
