"""A service with nothing but an image, by the real command line: on Docker by legacy, to Podman by v2 under load, and back."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import RealEngine
from tests.scenarios.on_engines import NOW, TELLS, beside
from tests.scenarios.servers import Product, WebLoad
from tests.scenarios.test_servers import by, nothing_failed, runs_on

TAG = "who:1"
SLOW = "/cgi-bin/slow"
CLIENTS = (("GET", NOW), ("GET", SLOW), ("POST", NOW))
FILES = {"www/cgi-bin/slow": TELLS.replace("\n", "\nsleep 1\n", 1)}


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    """A home beside both engines, which have the same image."""
    with beside(tmp_path, (real_docker, real_podman), TAG, FILES) as made:
        yield made


def running(engine: RealEngine) -> list[tuple[str, str]]:
    """Service and runtime of all containers that run."""
    found: list[Mapping[str, str]] = [one["Labels"] or {} for one in engine.containers() if one["State"] == "running"]  # type: ignore[misc]  # JSON
    return [(labels.get("rollout.service", ""), labels.get("rollout.runtime", "")) for labels in found]


@pytest.mark.timeout(300)
def test_from_docker_to_podman_and_back_under_load(rollout: Product, real_docker: RealEngine, real_podman: RealEngine) -> None:
    rollout("service", "add", "shop/who", "--tier", "trial", "--image", TAG, "--health-path", NOW)
    assert "release 1 runs on legacy" in rollout("service", "deploy", "who")
    assert (running(real_docker), running(real_podman)) == ([("shop/who", "legacy")], [])
    rollout("plan")
    edge = next(line.split()[1] for line in rollout("service", "show", "who").splitlines() if line.startswith("reached"))
    with WebLoad(edge.removeprefix("http://").rstrip("/"), "who.shop.internal", CLIENTS) as load:
        by(load.fresh(), "legacy")
        assert "finished" in rollout("execute", "wave-1", "--yes")
        by(load.fresh(), "v2")
        assert (running(real_docker), running(real_podman), runs_on(rollout)) == ([], [("shop/who", "v2")], {("v2",)})
        rollout("revert", "who")
        by(load.fresh(), "legacy")
        assert (running(real_docker), running(real_podman), runs_on(rollout)) == ([("shop/who", "legacy")], [], {("legacy",)})
    nothing_failed(rollout, {"who": load})
    rollout("down", "--yes")
    assert (running(real_docker), running(real_podman)) == ([], [])


def test_an_image_that_the_engine_does_not_have_is_told_and_nothing_runs(rollout: Product, real_docker: RealEngine) -> None:
    rollout("service", "add", "shop/lost", "--tier", "trial", "--image", "no/such:1")
    rollout("service", "deploy", "lost", code=1)
    assert running(real_docker) == []
