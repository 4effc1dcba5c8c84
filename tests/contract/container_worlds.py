"""Worlds of the runtimes' contract with real containers: on the host's own network, or in a private one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rollout.contract.runtime import EXIT_CODE, LAST_WORDS, Program
from rollout.host.desk import Doers
from rollout.host.images import Images
from rollout.host.ledger import Ledger
from rollout.host.network import Network
from rollout.host.notes import Notes
from rollout.host.rooms import Rooms
from rollout.host.upkeep import KeepingDesk
from rollout.model.fleet import EngineName, RuntimeName, Service
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.userspace import UserspaceTunnels
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.several import Engines, Sockets
from rollout.runtimes.engines.volumes import Volumes
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
        made = connect(name, socket, self.records, Labels.of_folder(self.folder), Volumes(self.folder / "volumes"))
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

    keeping: KeepingDesk

    def desk_of(self, ledger: Ledger, doers: Doers) -> KeepingDesk:
        notes = Notes(self.folder / "notes")
        self.keeping = KeepingDesk(ledger, doers, notes=notes, probe=lambda *_: "", choose=lambda *_: None)
        return self.keeping

    def network(self) -> Network:
        self.rooms = Rooms(self.folder / "rooms")
        self.mesh = Mesh(self.folder / "mesh", self.rooms, UserspaceTunnels())
        return self.mesh

    def end(self) -> None:
        """Nor of the private network."""
        try:
            super().end()
        finally:
            self.mesh.close()
        assert traces(self.mesh.mark) == []
