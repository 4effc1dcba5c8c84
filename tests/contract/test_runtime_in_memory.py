"""Both runtimes keep the contract on a desk with doers in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.contract.runtime import EXIT_CODE, LAST_WORDS, Program, RuntimeContract
from rollout.executor.memory import VirtualClock
from rollout.host.desk import Desk, Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryPorts
from rollout.host.ports import Phase
from rollout.host.usage import Used
from rollout.model.fleet import RuntimeName, Service
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2

FAULTS = {
    Program.EXITS: Fault(exits=EXIT_CODE, says=(LAST_WORDS,)),
    Program.LISTENS_ELSEWHERE: Fault(listens=(9999,)),
    Program.SILENT: Fault(listens=()),
}


class MemoryWorld:
    """Fulfils the contract's World; commands are told to the engine as faults."""

    reports_use = False

    def __init__(self, folder: Path, name: RuntimeName) -> None:
        self.name = name
        self.engine, self.edge, self.names = MemoryEngine(), MemoryEdge(), MemoryNames()
        doers = Doers(engine=self.engine, edge=self.edge, names=self.names, watch=self.engine, ports=MemoryPorts())
        self.desk = Desk(Ledger(folder), doers)
        self.desk.weigh("shop/api", "api.shop.internal", 0, 1)
        clock = VirtualClock(datetime(2024, 6, 4, tzinfo=UTC))
        self.runtime = Legacy(self.desk, clock) if name is RuntimeName.LEGACY else V2(self.desk, clock)

    def command(self, program: Program) -> Sequence[str]:
        self.engine.faults["shop/api", self.name] = FAULTS.get(program, Fault())
        return ["/bin/sh", program]

    def equipped(self, spec: Service) -> Service:
        return spec

    def lacking(self, spec: Service) -> Service:
        return replace(spec, directory="/nowhere/at/all")

    def resolve(self, name: str) -> int | None:
        return self.names.known[name][1] if name in self.names.known else None

    def traffic(self) -> Sequence[str]:
        route = self.edge.routes.get("api.shop.internal")
        return (*route.legacy, *route.v2) if route else ()

    def processes(self, token: str) -> int:
        return sum(one.token == token and one.facts.phase is Phase.RUNNING for one in self.desk.instances("shop/api"))

    def used(self) -> Sequence[Used]:
        return self.desk.used("shop/api")

    def leads_to_the_program(self, port: int) -> bool:
        return any(port == found.port for one in self.desk.instances("shop/api") for found in self.desk.listeners(one.id))


@pytest.mark.parametrize("name", RuntimeName)
class TestInMemory(RuntimeContract):
    @pytest.fixture
    def world(self, tmp_path: Path, name: RuntimeName) -> MemoryWorld:
        return MemoryWorld(tmp_path / "ledger", name)
