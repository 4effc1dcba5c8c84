"""Containers of a home are found on a real engine by their labels alone, and another home's are not."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import spec_of
from rollout.host.ports import InstanceSpec, Phase
from rollout.model.fleet import EngineName
from rollout.runtimes.engines import leftovers
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.volumes import Volumes
from rollout.wiring.containers import DIALECTS
from tests.runtimes.engines.real_engines import IMAGE, RealEngine


def lasting(name: EngineName) -> InstanceSpec:
    return replace(spec_of(("/bin/sh", "-c", "sleep 600 & wait")), image=IMAGE, engine=name)


def doer(real: RealEngine, folder: Path) -> ContainerEngine:
    dialect = DIALECTS[real.name]
    return ContainerEngine(
        dialect=dialect,
        api=ContainerApi(real.name.value, real.socket, dialect.prefix, sleep=lambda _: None),
        records=Records(folder / "records"),
        labels=Labels.of_folder(folder),
        volumes=Volumes(folder / "volumes"),
        ended_by_memory=ended_by_memory,
    )


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def homes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[ContainerEngine, ContainerEngine]]:
    real: RealEngine = request.getfixturevalue(f"real_{request.param.value}")
    both = doer(real, tmp_path / "ours"), doer(real, tmp_path / "other")
    yield both
    for one in both:
        for found in leftovers.labelled(one.api, one.labels):
            leftovers.remove(one.api, found.container)
        one.api.close()


def test_what_is_left_goes_without_records_and_that_of_another_home_stays(
    homes: tuple[ContainerEngine, ContainerEngine], tmp_path: Path
) -> None:
    ours, other = homes
    spec, theirs = lasting(ours.dialect.name), lasting(other.dialect.name)
    ours.start(ours.pinned(spec))
    other.start(other.pinned(theirs))
    shutil.rmtree(tmp_path / "ours/records")
    found = list(leftovers.labelled(ours.api, ours.labels))
    assert [(one.name, one.instance, one.service, one.sandbox) for one in found] == [
        (ours.labels.name(spec.id), spec.id, spec.service, False)
    ]
    for one in found * 2:
        leftovers.remove(ours.api, one.container)
    assert list(leftovers.labelled(ours.api, ours.labels)) == []
    facts = other.facts(theirs.id)
    assert facts is not None
    assert facts.phase is Phase.RUNNING
