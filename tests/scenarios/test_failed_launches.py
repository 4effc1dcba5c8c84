"""A copy that cannot be launched leaves nothing, and its service stays where it was, on both engines, by the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rollout.model.fleet import EngineName
from rollout.runtimes.engines import sockets
from tests.runtimes.engines.real_engines import RealEngine, docker, podman
from tests.scenarios.badness import fill
from tests.scenarios.machine import comes_to, standing
from tests.scenarios.on_engines import NOW, beside
from tests.scenarios.servers import Product, WebLoad
from tests.scenarios.test_servers import by

TAG = "fails:1"
SERVES = "exec httpd -f -p $PORT -h /www"
STOPPED = ("exited", "stopped", "created", "dead")


@dataclass(frozen=True, slots=True)
class Stage:
    """A service that runs on legacy, on this engine and beside no other. `before` stands then."""

    rollout: Product
    engine: RealEngine
    before: list[str]

    def now(self) -> list[str]:
        """Without the copy that failed: stopped, it is kept for its log until the next deploy."""
        return [one for one in standing(self.rollout.home, self.engine) if not one.endswith(STOPPED)]

    def is_as_before(self) -> None:
        """Nothing more and nothing less is on the machine, and the same copy serves."""
        comes_to(self.before, self.now)
        shown = self.rollout("service", "show", "who").splitlines()
        edge = next(line.split()[1] for line in shown if line.startswith("reached")).removeprefix("http://").rstrip("/")
        with WebLoad(edge, "who.shop.internal", (("GET", NOW),)) as load:
            by(load.fresh(), "legacy")


@contextmanager
def deployed(folder: Path, engine: RealEngine) -> Iterator[Stage]:
    with beside(folder, (engine,), TAG, {}) as rollout:
        others = {variable: f"unix://{folder}/none" for name, variable in sockets.VARIABLE.items() if name is not engine.name}
        rollout.env |= others
        words = ("--tier", "trial", "--image", TAG, "--engine", engine.name.value, "--health-path", NOW)
        rollout("service", "add", "shop/who", *words, "--command", SERVES, "--health-timeout", "4")
        rollout("service", "deploy", "who")
        made = Stage(rollout, engine, [])
        yield replace(made, before=made.now())


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with deployed(tmp_path, request.getfixturevalue(f"real_{request.param.value}")) as made:
        yield made


@pytest.mark.timeout(900)
def test_a_deploy_that_fails(stage: Stage) -> None:
    fails(stage, "no/such:1", "--image", "no/such:1")
    fails(stage, "with exit code 3", "--image", TAG, "--command", "exit 3")
    stage.rollout("service", "set", "who", "--command", SERVES)
    stage.rollout("service", "deploy", "who")
    comes_to(stage.now(), lambda: standing(stage.rollout.home, stage.engine))


def fails(stage: Stage, why: str, *changed: str) -> None:
    stage.rollout("service", "set", "who", *changed)
    stage.rollout("service", "deploy", "who", code=1)
    assert why in stage.rollout.said, stage.rollout.said
    stage.is_as_before()


FULL: dict[EngineName, Callable[..., object]] = {EngineName.DOCKER: docker, EngineName.PODMAN: podman}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(FULL))
def test_a_full_disk_of_an_engine_is_told_and_with_room_it_goes_on(tmp_path: Path, name: EngineName) -> None:
    with FULL[name](disk_mb=60) as engine, deployed(tmp_path, engine) as stage:  # type: ignore[attr-defined]  # a contextmanager
        filler = fill(engine.root)
        stage.rollout("service", "deploy", "who", code=1)
        assert f"the disk of {name} is full" in stage.rollout.said, stage.rollout.said
        stage.is_as_before()
        filler.unlink()
        stage.rollout("service", "deploy", "who")
        assert len(stage.now()) == len(stage.before)
