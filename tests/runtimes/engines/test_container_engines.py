"""The contract of engines on a real Docker and a real Podman, and what only containers have."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import EngineContract, spec_of
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.dialect import Dialect
from rollout.runtimes.engines.docker import Docker
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.podman import Podman
from tests.runtimes.engines.real_engines import IMAGE, RealEngine

LASTING = "trap 'exit 0' TERM; while true; do sleep 60 & wait; done"
DIALECTS: dict[EngineName, Dialect] = {EngineName.DOCKER: Docker(), EngineName.PODMAN: Podman()}


def container(program: str, name: EngineName, **more: object) -> InstanceSpec:
    spec = spec_of(("/bin/sh", "-c", program))
    return replace(spec, image=IMAGE, engine=name, **more)  # type: ignore[arg-type]  # fields of InstanceSpec by name


def doer(real: RealEngine, folder: Path) -> ContainerEngine:
    """As after a start of the host part: it knows what is in the folder, and nothing else."""
    dialect = DIALECTS[real.name]
    return ContainerEngine(
        dialect=dialect,
        api=ContainerApi(real.name.value, real.socket, dialect.prefix, sleep=time.sleep),
        records=Records(folder),
        labels=Labels.of_folder(folder),
        ended_by_memory=ended_by_memory,
    )


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def real(request: pytest.FixtureRequest) -> RealEngine:
    return request.getfixturevalue(f"real_{request.param.value}")  # type: ignore[no-any-return]  # a fixture by its name


@pytest.fixture
def engine(real: RealEngine, tmp_path: Path) -> Iterator[ContainerEngine]:
    engine = doer(real, tmp_path)
    yield engine
    real.start()
    for name in engine.known():
        engine.take_back(name)
        engine.stop(name, 0)
        engine.forget(name)
    assert list(engine.known()) == []
    engine.api.close()


@pytest.fixture
def lasting(real: RealEngine) -> InstanceSpec:
    return container(LASTING, real.name)


class TestContainerEngines(EngineContract):
    @pytest.fixture
    def engine(self, engine: ContainerEngine) -> ContainerEngine:
        return engine

    @pytest.fixture
    def lasting(self, lasting: InstanceSpec) -> InstanceSpec:
        return lasting

    @pytest.fixture
    def ending(self, real: RealEngine) -> InstanceSpec:
        return container("echo over; exit 7", real.name)
