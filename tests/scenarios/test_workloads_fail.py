"""Programs in containers that cannot work as they are: each is told exactly why, and what to change; what ran before runs on."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import RealEngine
from tests.scenarios.on_engines import NOW, home_beside
from tests.scenarios.servers import Product
from tests.scenarios.workloads import PYTHON_IMAGE, engines_of, fleet

WHY: Mapping[str, str] = {
    "loopback": "it listens only on 127.0.0.1:3000, for itself alone: make it listen on [::] (HOST=::)",
    "exits": "it ended with exit code 0 while it came up",
    "eats": "it ended because it needed more memory than its limit (exit code 137) while it came up",
}
ON_LEGACY = {**WHY, "elsewhere": "it does not listen on port 3000, but on 3001"}


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    """A home beside both engines, which have the image."""
    with home_beside(tmp_path, (real_docker, real_podman), [PYTHON_IMAGE.archive()], "workloads.toml") as made:
        yield made


def add(rollout: Product, engine: str, ways: Iterable[str], runtime: str) -> None:
    """Services that behave so on that runtime alone."""
    usual = {"memory_mb": 64, "draining_s": 2, "health_path": NOW, "health_timeout_s": 5}
    port = {how: {} if how == "several" else {"port": 3000} for how in ways}
    fleet(rollout, engine, {how: {**usual, **port[how], "env": {"HOW": how, "ONLY_ON": runtime}} for how in ways})


def running(runtime: str, *engines: RealEngine) -> set[str]:
    """The services of which a container runs on that runtime."""
    found: list[Mapping[str, str]] = [
        one["Labels"] or {} for engine in engines for one in engine.containers() if one["State"] == "running"
    ]
    return {labels["rollout.service"] for labels in found if labels.get("rollout.runtime") == runtime}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", engines_of("docker"))
def test_on_legacy_each_is_told_why_and_nothing_of_it_runs(
    rollout: Product, engine: str, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    add(rollout, engine, ON_LEGACY, "legacy")
    rollout("service", "deploy", "--all", code=3)
    for how, why in ON_LEGACY.items():
        assert why in " ".join(rollout("explain", how).split())
    assert running("legacy", real_docker, real_podman) == set()
