"""The contract of engines on a real Docker and a real Podman, and what only containers have."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import EngineContract, spec_of, until
from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec, Phase
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.runtimes.engines.container_api import AwayError, ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.dialect import Dialect
from rollout.runtimes.engines.docker import Docker
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.podman import Podman
from rollout.runtimes.engines.volumes import Volumes
from tests.runtimes.engines.real_engines import IMAGE, RealEngine, image

LASTING = "trap 'exit 0' TERM; while true; do sleep 60 & wait; done"
DIALECTS: dict[EngineName, Dialect] = {EngineName.DOCKER: Docker(), EngineName.PODMAN: Podman()}


def container(program: str, name: EngineName, **more: object) -> InstanceSpec:
    spec = spec_of(("/bin/sh", "-c", program))
    return replace(spec, **{"image": IMAGE, "engine": name, **more})  # type: ignore[arg-type]  # fields of InstanceSpec by name


def doer(real: RealEngine, folder: Path) -> ContainerEngine:
    """As after a start of the host part: it knows what is in the folder, and nothing else."""
    dialect = DIALECTS[real.name]
    return ContainerEngine(
        dialect=dialect,
        api=ContainerApi(real.name.value, real.socket, dialect.prefix, sleep=time.sleep),
        records=Records(folder),
        labels=Labels.of_folder(folder),
        volumes=Volumes(folder / "volumes"),
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


def test_another_host_part_takes_it_back(
    engine: ContainerEngine, real: RealEngine, lasting: InstanceSpec, tmp_path: Path
) -> None:
    """By what is remembered; and where nothing is, by its labels."""
    before = engine.start(lasting)
    again = doer(real, tmp_path)
    assert again.facts(lasting.id) == before
    engine.records.erase(lasting.id)
    assert (again.facts(lasting.id), list(again.known())) == (None, [lasting.id])
    assert again.start(lasting).pid == before.pid
    again.api.close()


def test_what_is_not_ours_is_not_touched(engine: ContainerEngine, real: RealEngine, lasting: InstanceSpec) -> None:
    name = engine.labels.name(lasting.id)
    real.make(name)
    try:
        with pytest.raises(BrokenError, match="not of this home") as told:
            engine.start(lasting)
        assert f"{real.name} rm {name}" in told.value.then
        engine.stop(lasting.id, 0)
        engine.forget(lasting.id)
        assert [one["Id"] for one in real.containers()] == [real.told(name)["Id"]]
    finally:
        real.remove(name)


def test_what_cannot_be_run_leaves_nothing(engine: ContainerEngine, real: RealEngine, lasting: InstanceSpec) -> None:
    with pytest.raises(BrokenError, match="no-such-program"):
        engine.start(replace(lasting, argv=("no-such-program",)))
    assert real.containers() == []
    facts = engine.facts(lasting.id)
    assert facts is None or facts.phase in {Phase.GONE, Phase.LOST}


def test_an_image_is_pinned_and_one_that_is_missing_is_told(
    engine: ContainerEngine, real: RealEngine, lasting: InstanceSpec
) -> None:
    real.load(image("moves:1", {"StopSignal": "SIGINT"}))
    pinned = engine.pinned(replace(lasting, image="moves:1"))
    assert pinned.image_id.startswith("sha256:")
    real.load(image("moves:1", {"StopSignal": "SIGQUIT"}))
    assert engine.pinned(replace(lasting, image="moves:1")).image_id != pinned.image_id
    engine.start(pinned)
    assert pinned.image_id.removeprefix("sha256:") in str(real.told(engine.labels.name(lasting.id))["Image"])
    with pytest.raises(BrokenError, match="no/such:1 is not on") as told:
        engine.pinned(replace(lasting, image="no/such:1"))
    assert "pull no/such:1" in told.value.then
    gone = replace(lasting, token="other", image="no/such:1", image_id="sha256:" + "0" * 64)
    with pytest.raises(BrokenError, match="no longer on"):
        engine.start(gone)


def test_more_memory_than_its_limit_is_told_as_such(engine: ContainerEngine, real: RealEngine) -> None:
    eats = container("x=a; while true; do x=$x$x; done", real.name, memory_mb=32)
    engine.start(eats)
    until(lambda: (facts := engine.facts(eats.id)) and facts.phase is Phase.EXITED)
    facts = engine.facts(eats.id)
    assert facts is not None
    assert (facts.exit_code, facts.out_of_memory) == (137, True)


def test_more_memory_than_its_limit_is_told_also_where_it_is_started_again(engine: ContainerEngine, real: RealEngine) -> None:
    eats = container("x=a; while true; do x=$x$x; done", real.name, memory_mb=32)
    engine.start(replace(eats, restart=RestartPolicy.ALWAYS))
    until(lambda: (facts := engine.facts(eats.id)) and facts.restarts)
    until(lambda: (facts := engine.facts(eats.id)) and facts.out_of_memory)


def test_a_kill_is_not_told_as_want_of_memory(engine: ContainerEngine, lasting: InstanceSpec) -> None:
    facts = engine.start(replace(lasting, memory_mb=32))
    assert facts.pid is not None
    os.kill(facts.pid, signal.SIGKILL)
    until(lambda: (now := engine.facts(lasting.id)) and now.phase is Phase.EXITED)
    now = engine.facts(lasting.id)
    assert now is not None
    assert (now.exit_code, now.out_of_memory) == (137, False)


def test_it_runs_as_the_user_of_its_image_and_within_limits(engine: ContainerEngine, real: RealEngine) -> None:
    real.load(image("user:1", {"User": "1234:1234"}))
    asks = "id -u; cat /proc/self/status | while read a b; do [ $a = NoNewPrivs: ] && echo $b; done"
    limits = {"read_only": True, "pids_max": 50, "memory_mb": 64, "cpus": 0.5}
    tells = container(f"{asks}; touch /www/x 2>/dev/null || echo shut", real.name, image="user:1", **limits)
    engine.start(tells)
    until(lambda: (facts := engine.facts(tells.id)) and facts.phase is Phase.EXITED)
    assert list(engine.tail(tells.id, 9)) == ["1234", "1", "shut"]
    set_ = real.told(engine.labels.name(tells.id))["HostConfig"]
    assert isinstance(set_, dict)
    assert (set_["Memory"], set_["PidsLimit"], set_["CpuQuota"]) == (64 << 20, 50, 50_000)


def test_it_ends_by_the_signal_of_its_image_or_after_the_grace(engine: ContainerEngine, real: RealEngine) -> None:
    real.load(image("quits:1", {"StopSignal": "SIGQUIT"}))
    quits = container("trap 'echo bye; exit 3' QUIT; while true; do sleep 60 & wait; done", real.name, image="quits:1")
    deaf = container("trap '' TERM; echo deaf; while true; do sleep 1; done", real.name, token="deaf")
    for spec in (quits, deaf):
        engine.start(spec)
    until(lambda: "deaf" in engine.tail(deaf.id, 1))
    engine.stop(quits.id, 10.0)
    engine.stop(deaf.id, 1.0)
    ended = [engine.facts(spec.id) for spec in (quits, deaf)]
    assert [facts.exit_code for facts in ended if facts] == [3, 137]
    assert list(engine.tail(quits.id, 1)) == ["bye"]


def test_an_engine_that_is_away(engine: ContainerEngine, real: RealEngine, lasting: InstanceSpec) -> None:
    """What runs is known to run; what would need the engine is an error that may pass; it is found again."""
    before = engine.start(lasting)
    real.kill()
    engine.api.close()
    engine.api = ContainerApi(real.name.value, real.socket, engine.dialect.prefix, sleep=lambda _: None)
    assert engine.facts(lasting.id) == before
    with pytest.raises(AwayError, match="does not answer") as told:
        engine.stop(lasting.id, 1.0)
    assert "rollout doctor" in told.value.then
    real.start()
    until(engine.api.answers)
    engine.stop(lasting.id, 1.0)
    facts = engine.facts(lasting.id)
    assert facts is not None
    assert facts.phase is Phase.GONE
