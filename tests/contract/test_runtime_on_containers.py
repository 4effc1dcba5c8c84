"""Both runtimes keep the contract on both engines, with real containers in a real private network, or on the host's own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.runtime import EXIT_CODE, LAST_WORDS, Program, RuntimeContract
from rollout.host.images import Images
from rollout.host.network import Network
from rollout.host.rooms import Rooms
from rollout.model.fleet import EngineName, RuntimeName, Service
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.userspace import UserspaceTunnels
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.several import Engines, Sockets
from rollout.wiring.containers import connect
from tests.contract.real_world import RealWorld
from tests.network.mesh.mesh_rigs import traces
from tests.runtimes.engines.real_engines import IMAGE, RealEngine

AND_WAITS = "& trap 'exit 0' TERM; while true; do sleep 60 & wait $!; done"
PROGRAMS = {
    Program.SERVES: f"httpd -f -p $PORT {AND_WAITS}",
    Program.LISTENS_ELSEWHERE: f"httpd -f -p $((PORT + 20000)) {AND_WAITS}",
    Program.SILENT: f"true {AND_WAITS}",
    Program.WORKS: f"true {AND_WAITS}",
    Program.EXITS: f"echo {LAST_WORDS}; exit {EXIT_CODE}",
}


class ContainerWorld(RealWorld):
    """`here`: the engine that is on this host. On the host's own network, as where nobody may make another."""

    def __init__(self, folder: Path, name: RuntimeName, here: RealEngine) -> None:
        self.folder, self.here = folder, here
        self.records = Records(folder / "containers")
        self.connected: list[ContainerEngine] = []
        sockets = Sockets(find=self._find, connect=self._connect)
        self.engines = Engines(ProcessEngine(folder / "instances"), self.records, sockets)
        super().__init__(folder, name, self.engines)

    def images(self) -> Images:
        return self.engines

    def _find(self, name: EngineName) -> Path | None:
        return self.here.socket if name is self.here.name else None

    def _connect(self, name: EngineName, socket: Path) -> ContainerEngine:
        made = connect(name, socket, self.records, Labels.of_folder(self.folder))
        self.connected.append(made)
        return made

    def command(self, program: Program) -> Sequence[str]:
        return ["/bin/sh", "-c", PROGRAMS[program]]

    def equipped(self, spec: Service) -> Service:
        return replace(spec, image=IMAGE, engine=self.here.name)

    def lacking(self, spec: Service) -> Service:
        return replace(spec, image="nowhere/at/all:1")

    def end(self) -> None:
        """Nothing is left on any engine."""
        super().end()
        for instance in self.engine.known():
            self.engine.stop(instance, 0.1)
            self.engine.forget(instance)
        for engine in self.connected:
            assert list(engine.known()) == []
            engine.api.close()


class MeshWorld(ContainerWorld):
    """In the private network."""

    def network(self) -> Network:
        self.mesh = Mesh(self.folder / "mesh", Rooms(self.folder / "rooms"), UserspaceTunnels())
        return self.mesh

    def end(self) -> None:
        """Nor of the private network."""
        try:
            super().end()
        finally:
            self.mesh.close()
        assert traces(self.mesh.mark) == []


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
