"""Both runtimes keep the contract on both engines, with real containers on the host's network."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.runtime import EXIT_CODE, LAST_WORDS, Program, RuntimeContract
from rollout.host.desk import Desk, Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge
from rollout.host.processes import HostPorts
from rollout.host.usage import ProcessMeter, Used
from rollout.model.fleet import EngineName, RuntimeName, Service
from rollout.network.detect import watch
from rollout.network.names import NamesFolder, find
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.dialect import Dialect
from rollout.runtimes.engines.docker import Docker
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.podman import Podman
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.several import Engines, Sockets
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from rollout.wiring.clock import SystemClock
from tests.runtimes.engines.real_engines import IMAGE, RealEngine

AND_WAITS = "& trap 'exit 0' TERM; while true; do sleep 60 & wait $!; done"
PROGRAMS = {
    Program.SERVES: f"httpd -f -p 127.0.0.1:$PORT {AND_WAITS}",
    Program.LISTENS_ELSEWHERE: f"httpd -f -p 127.0.0.1:$((PORT + 20000)) {AND_WAITS}",
    Program.SILENT: f"true {AND_WAITS}",
    Program.WORKS: f"true {AND_WAITS}",
    Program.EXITS: f"echo {LAST_WORDS}; exit {EXIT_CODE}",
}
DIALECTS: dict[EngineName, Dialect] = {EngineName.DOCKER: Docker(), EngineName.PODMAN: Podman()}


class ContainerWorld:
    """Fulfils the contract's World. `here`: the engines that are on this host."""

    reports_use = True

    def __init__(self, folder: Path, name: RuntimeName, *here: RealEngine) -> None:
        self.name, self.folder = name, folder
        self.here = {one.name: one for one in here}
        self.asked = here[0].name
        self.edge, self.names = MemoryEdge(), NamesFolder(folder / "names", "127.0.0.1:2")
        self.records = Records(folder / "containers")
        self.connected: list[ContainerEngine] = []
        self.engine = Engines(ProcessEngine(folder / "instances"), self.records, Sockets(find=self._find, connect=self._connect))
        parts = {"engine": self.engine, "images": self.engine, "edge": self.edge, "names": self.names}
        self.desk = Desk(Ledger(folder / "ledger"), Doers(**parts, watch=watch(), ports=HostPorts(), meter=ProcessMeter()))
        self.desk.weigh("shop/api", "api.shop.internal", 0, 1)
        self.runtime = (Legacy if name is RuntimeName.LEGACY else V2)(self.desk, SystemClock())

    def _find(self, name: EngineName) -> Path | None:
        return self.here[name].socket if name in self.here else None

    def _connect(self, name: EngineName, socket: Path) -> ContainerEngine:
        made = ContainerEngine(
            dialect=DIALECTS[name],
            api=ContainerApi(name.value, socket, DIALECTS[name].prefix, sleep=time.sleep),
            records=self.records,
            labels=Labels.of_folder(self.folder),
            ended_by_memory=ended_by_memory,
        )
        self.connected.append(made)
        return made

    def command(self, program: Program) -> Sequence[str]:
        return ["/bin/sh", "-c", PROGRAMS[program]]

    def equipped(self, spec: Service) -> Service:
        return replace(spec, image=IMAGE, engine=self.asked)

    def lacking(self, spec: Service) -> Service:
        return replace(spec, image="nowhere/at/all:1")

    def resolve(self, name: str) -> int | None:
        place = find(self.names.folder, name)
        return place.port if place else None

    def traffic(self) -> Sequence[str]:
        route = self.edge.routes.get("api.shop.internal")
        return (*route.legacy, *route.v2) if route else ()

    def processes(self, token: str) -> int:
        held = [one for one in self.desk.instances("shop/api") if one.token == token]
        return sum(bool(self.engine.pids(one.id)) for one in held)

    def used(self) -> Sequence[Used]:
        return self.desk.used("shop/api")

    def leads_to_the_program(self, port: int) -> bool:
        held = self.desk.instances("shop/api")
        return any(port == found.port for one in held for found in self.desk.listeners(one.id))

    def end(self) -> None:
        """Nothing is left on any engine."""
        for instance in self.engine.known():
            self.engine.stop(instance, 0.1)
            self.engine.forget(instance)
        for engine in self.connected:
            assert list(engine.known()) == []
            engine.api.close()


@pytest.mark.parametrize("where", [EngineName.DOCKER, EngineName.PODMAN])
@pytest.mark.parametrize("name", RuntimeName)
class TestOnContainers(RuntimeContract):
    @pytest.fixture
    def world(
        self, tmp_path: Path, name: RuntimeName, where: EngineName, request: pytest.FixtureRequest
    ) -> Iterator[ContainerWorld]:
        world = ContainerWorld(tmp_path, name, request.getfixturevalue(f"real_{where.value}"))
        try:
            yield world
        finally:
            world.end()
