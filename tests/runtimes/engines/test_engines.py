"""The contract of engines on those that need nothing but this host."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import EngineContract, spec_of
from rollout.errors import BrokenError
from rollout.host.keep import MARK
from rollout.host.ports import InstanceSpec
from rollout.host.processes import marked
from rollout.model.fleet import RuntimeName
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.engines.process import ProcessEngine


class TestProcessEngine(EngineContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[ProcessEngine]:
        engine = ProcessEngine(tmp_path / "instances")
        yield engine
        for name in engine.keeper.names():
            engine.stop(name, 0.1)
            assert marked(MARK, str(engine.keeper.folder / name)) == []

    @pytest.fixture
    def lasting(self) -> InstanceSpec:
        return spec_of(("/bin/sh", "-c", "exec sleep 60"))

    @pytest.fixture
    def ending(self) -> InstanceSpec:
        return spec_of(("/bin/sh", "-c", "echo over; exit 7"))

    def test_giving_up_is_failed(self, engine: ProcessEngine, ending: InstanceSpec) -> None:
        super().test_giving_up_is_failed(engine, ending)
        assert engine.tail(ending.id, 9) == ["over"] * 3

    def test_the_log_is_a_file_that_can_be_followed(self, engine: ProcessEngine, lasting: InstanceSpec) -> None:
        facts = engine.start(lasting)
        assert Path(facts.log).is_file()

    def test_what_cannot_be_run(self, engine: ProcessEngine, lasting: InstanceSpec) -> None:
        with pytest.raises(BrokenError, match="cannot run /no/such"):
            engine.start(replace(lasting, argv=("/no/such",)))


class TestMemoryEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> MemoryEngine:
        return MemoryEngine()

    @pytest.fixture
    def lasting(self) -> InstanceSpec:
        return spec_of()

    @pytest.fixture
    def ending(self, engine: MemoryEngine) -> InstanceSpec:
        engine.faults["shop/api", RuntimeName.LEGACY] = Fault(exits=7, says=("over",))
        return spec_of()

    def test_what_cannot_be_run(self, engine: MemoryEngine, lasting: InstanceSpec) -> None:
        engine.faults["shop/api", RuntimeName.LEGACY] = Fault(unstartable="no such image")
        with pytest.raises(BrokenError, match="no such image"):
            engine.start(lasting)
