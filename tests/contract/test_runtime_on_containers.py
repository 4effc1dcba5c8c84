"""Both runtimes keep the contract on both engines, with real containers in a real private network, or on the host's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.contract.runtime import RuntimeContract
from rollout.model.fleet import EngineName, RuntimeName
from tests.contract.container_worlds import ContainerWorld, MeshWorld


class OnContainers(RuntimeContract):
    """What it runs in is the difference."""

    kind: type[ContainerWorld] = ContainerWorld

    @pytest.fixture
    def world(
        self, tmp_path: Path, name: RuntimeName, where: EngineName, request: pytest.FixtureRequest
    ) -> Iterator[ContainerWorld]:
        world = self.kind(tmp_path, name, request.getfixturevalue(f"real_{where.value}"))
        try:
            yield world
        finally:
            world.end()


@pytest.mark.parametrize("where", [EngineName.DOCKER, EngineName.PODMAN])
@pytest.mark.parametrize("name", RuntimeName)
class TestInThePrivateNetwork(OnContainers):
    kind = MeshWorld


@pytest.mark.parametrize("where", [EngineName.PODMAN])
@pytest.mark.parametrize("name", RuntimeName)
class TestOnTheHostsNetwork(OnContainers):
    """On one engine: where a container is reached is not the engine's doing."""
