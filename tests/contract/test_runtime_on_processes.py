"""Both runtimes keep the contract with real processes, real ports and real names."""

import sys
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
from rollout.model.fleet import RuntimeName, Service
from rollout.network.detect import watch
from rollout.network.names import NamesFolder, find
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from rollout.wiring.clock import SystemClock

LISTEN = "import os, socket, time\nheld = socket.create_server(('127.0.0.1', {port}))\nheld.listen()\ntime.sleep(600)"
PROGRAMS = {
    Program.SERVES: LISTEN.format(port="int(os.environ['PORT'])"),
    Program.LISTENS_ELSEWHERE: LISTEN.format(port="0"),
    Program.SILENT: "import time; time.sleep(600)",
    Program.WORKS: "import time; time.sleep(600)",
    Program.EXITS: f"print({LAST_WORDS!r}, flush=True); raise SystemExit({EXIT_CODE})",
}


class ProcessWorld:
    """Fulfils the contract's World."""

    reports_use = True

    def __init__(self, folder: Path, name: RuntimeName) -> None:
        self.name = name
        self.edge, self.names = MemoryEdge(), NamesFolder(folder / "names", "127.0.0.1:2")
        self.engine = ProcessEngine(folder / "instances")
        doers = Doers(
            engine=self.engine, edge=self.edge, names=self.names, watch=watch(), ports=HostPorts(), meter=ProcessMeter()
        )
        self.desk = Desk(Ledger(folder / "ledger"), doers)
        self.desk.weigh("shop/api", "api.shop.internal", 0, 1)
        self.runtime = (Legacy if name is RuntimeName.LEGACY else V2)(self.desk, SystemClock())

    def command(self, program: Program) -> Sequence[str]:
        return [sys.executable, "-S", "-E", "-c", PROGRAMS[program]]

    def equipped(self, spec: Service) -> Service:
        return spec

    def lacking(self, spec: Service) -> Service:
        return replace(spec, directory="/nowhere/at/all")

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
        for one in self.desk.instances():
            self.engine.stop(one.id, 0.1)


@pytest.mark.parametrize("name", RuntimeName)
class TestOnProcesses(RuntimeContract):
    @pytest.fixture
    def world(self, tmp_path: Path, name: RuntimeName) -> Iterator[ProcessWorld]:
        world = ProcessWorld(tmp_path, name)
        try:
            yield world
        finally:
            world.end()
