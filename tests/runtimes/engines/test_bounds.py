"""What an engine keeps of the bounds that a container is given, from its own words; one that is not kept is refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rollout.contract.engine import spec_of
from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.runtimes.engines.bounds import ALL, Bound, in_words, kept, refuse_what_is_not_kept
from rollout.runtimes.engines.container_api import Answer, ContainerApi

ROOTLESS = {"host": {"security": {"rootless": True}, "cgroupControllers": ["cpuset", "memory", "pids"]}}
GROUPS_V1 = {"host": {"security": {"rootless": True}, "cgroupControllers": []}}


class Telling(ContainerApi):
    """An engine that says this of itself."""

    def __init__(self, said: bytes) -> None:
        self.said, self.asked = said, 0

    def ask(self, method: str, path: str, **_: object) -> Answer:  # type: ignore[override]  # what else is asked is nothing here
        assert (method, path) == ("GET", "/info")
        self.asked += 1
        return Answer(status=200, content=self.said)


@pytest.fixture
def podman() -> Telling:
    return Telling(b'{"host": {"security": {"rootless": true}, "cgroupControllers": ["cpu"]}}')


@pytest.mark.parametrize(
    ("engine", "told", "expected"),
    [
        (EngineName.PODMAN, {"host": {"security": {"rootless": False}, "cgroupControllers": []}}, ALL),
        (EngineName.PODMAN, ROOTLESS, {Bound.MEMORY, Bound.PIDS}),
        (EngineName.PODMAN, GROUPS_V1, set()),
        (EngineName.DOCKER, {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}, ALL),
        (EngineName.DOCKER, {"MemoryLimit": False, "CpuCfsQuota": False, "PidsLimit": True}, {Bound.PIDS}),
    ],
)
def test_what_is_kept_is_what_the_engine_says(engine: EngineName, told: Mapping[str, Any], expected: set[Bound]) -> None:
    assert kept(engine, told) == expected


def test_words() -> None:
    assert in_words(ALL) == "memory, processors and processes"
    assert in_words(frozenset({Bound.PIDS})) == "processes"


def test_a_limit_that_is_not_kept_is_refused_with_what_to_type(podman: Telling) -> None:
    spec = replace(spec_of(), memory_mb=64, cpus=0.5, pids_max=100)
    with pytest.raises(BrokenError, match="its limit of memory and processes is not kept by podman here") as told:
        refuse_what_is_not_kept(EngineName.PODMAN, podman, spec)
    assert told.value.then.endswith(f"rollout service set {spec.service} --unset memory_mb --unset pids_max")
    refuse_what_is_not_kept(EngineName.PODMAN, podman, replace(spec_of(), cpus=0.5))


def test_nobody_is_asked_where_no_limit_is(podman: Telling) -> None:
    refuse_what_is_not_kept(EngineName.PODMAN, podman, spec_of())
    assert podman.asked == 0
