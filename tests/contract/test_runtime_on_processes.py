"""Both runtimes keep the contract with real processes, real ports and real names."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.runtime import EXIT_CODE, LAST_WORDS, Program, RuntimeContract
from rollout.model.fleet import RuntimeName, Service
from rollout.runtimes.engines.process import ProcessEngine
from tests.contract.real_world import RealWorld

LISTEN = "import os, socket, time\nheld = socket.create_server(('127.0.0.1', {port}))\nheld.listen()\ntime.sleep(600)"
PROGRAMS = {
    Program.SERVES: LISTEN.format(port="int(os.environ['PORT'])"),
    Program.LISTENS_ELSEWHERE: LISTEN.format(port="0"),
    Program.SILENT: "import time; time.sleep(600)",
    Program.WORKS: "import time; time.sleep(600)",
    Program.EXITS: f"print({LAST_WORDS!r}, flush=True); raise SystemExit({EXIT_CODE})",
}


class ProcessWorld(RealWorld):
    """Plain processes."""

    def __init__(self, folder: Path, name: RuntimeName) -> None:
        super().__init__(folder, name, ProcessEngine(folder / "instances"))

    def command(self, program: Program) -> Sequence[str]:
        return [sys.executable, "-S", "-E", "-c", PROGRAMS[program]]

    def lacking(self, spec: Service) -> Service:
        return replace(spec, directory="/nowhere/at/all")

    def end(self) -> None:
        for one in self.desk.instances():
            self.engine.stop(one.id, 0.1)
        super().end()


@pytest.mark.parametrize("name", RuntimeName)
class TestOnProcesses(RuntimeContract):
    @pytest.fixture
    def world(self, tmp_path: Path, name: RuntimeName) -> Iterator[ProcessWorld]:
        world = ProcessWorld(tmp_path, name)
        try:
            yield world
        finally:
            world.end()
