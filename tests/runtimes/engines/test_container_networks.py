"""The networks of containers on a real Docker and a real Podman: none yet, or one that was made before; and what they may do."""

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyroute2 import netns

from rollout.contract.engine import spec_of, until
from rollout.errors import BrokenError
from rollout.host.joining import ALONE
from rollout.host.ports import InstanceSpec, Phase
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.runtimes.engines.container_api import Answer, ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.dialect import NEEDLESS
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.sandboxes import Sandboxes, name_of
from rollout.runtimes.engines.volumes import Volumes
from rollout.wiring.containers import DIALECTS
from tests.network.namespaces import inode
from tests.runtimes.engines.real_engines import IMAGE, RealEngine

LASTING = "trap 'exit 0' TERM; while true; do sleep 60 & wait; done"
TELLS = "cat /etc/resolv.conf /proc/net/dev /proc/sys/net/ipv6/conf/all/disable_ipv6"
DNS = "fd00:a::53"


def container(program: str, real: RealEngine, network: str, **more: object) -> InstanceSpec:
    fields = {"image": IMAGE, "engine": real.name, "network": network, "dns": (DNS,), **more}
    return replace(spec_of(("/bin/sh", "-c", program)), **fields)  # type: ignore[arg-type]  # fields of InstanceSpec by name


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def real(request: pytest.FixtureRequest) -> RealEngine:
    return request.getfixturevalue(f"real_{request.param.value}")  # type: ignore[no-any-return]  # a fixture by its name


@pytest.fixture
def engine(real: RealEngine, tmp_path: Path) -> Iterator[ContainerEngine]:
    api, labels = ContainerApi(real.name.value, real.socket, DIALECTS[real.name].prefix, sleep=lambda _: None), Labels("test")
    engine = ContainerEngine(
        dialect=DIALECTS[real.name],
        api=api,
        records=Records(tmp_path),
        labels=labels,
        volumes=Volumes(tmp_path / "volumes"),
        ended_by_memory=ended_by_memory,
        sandboxes=Sandboxes(api=api, labels=labels) if real.name is EngineName.DOCKER else None,
    )
    yield engine
    for name in engine.known():
        engine.take_back(name)
        engine.stop(name, 0)
        engine.forget(name)
    left = list(engine.known())
    api.close()
    assert left == []


@pytest.fixture
def made() -> Iterator[str]:
    """The path of a network namespace that was made before."""
    name = f"rollout-test-{secrets.token_hex(3)}"
    netns.create(name)
    try:
        yield f"/run/netns/{name}"
    finally:
        netns.remove(name)


def said(engine: ContainerEngine, spec: InstanceSpec) -> list[str]:
    """All that it says until it ends."""
    engine.start(spec)
    until(lambda: (facts := engine.facts(spec.id)) and facts.phase is Phase.EXITED)
    return list(engine.tail(spec.id, 99))


def where(engine: ContainerEngine, spec: InstanceSpec) -> int:
    """The network namespace of its first process."""
    facts = engine.facts(spec.id)
    assert facts is not None
    return inode(f"/proc/{facts.pid}/ns/net")


def test_before_it_is_patched_in_it_has_nothing_but_loopback_and_knows_whom_to_ask(
    engine: ContainerEngine, real: RealEngine
) -> None:
    lines = said(engine, container(TELLS, real, ALONE))
    assert f"nameserver {DNS}" in lines
    assert "search shop.internal" in lines
    assert [line.split(":")[0].strip() for line in lines if ":" in line and "|" not in line and "name" not in line] == ["lo"]
    assert lines[-1] == "0", "IPv6 is on"


def test_a_namespace_that_was_made_before_is_its_own_from_the_first_instruction(
    engine: ContainerEngine, real: RealEngine, made: str
) -> None:
    lines = said(engine, container(f"readlink /proc/self/ns/net; {TELLS}", real, made, token="tells"))
    assert lines[0] == f"net:[{inode(made)}]"
    assert f"nameserver {DNS}" in lines
    assert "search shop.internal" in lines


def test_what_was_made_before_has_only_to_be_started(
    engine: ContainerEngine, real: RealEngine, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = container(LASTING, real, made)
    engine.prepare(spec)
    asked: list[str] = []
    ask = engine.api.ask

    def written(method: str, path: str, **more: object) -> Answer:
        asked.append(f"{method} {path.rpartition('/')[2]}")
        return ask(method, path, **more)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(engine.api, "ask", written)
    engine.prepare(spec)
    assert asked == []
    assert engine.start(spec).phase is Phase.RUNNING
    assert where(engine, spec) == inode(made)
    sandbox = ["GET json"] if real.name is EngineName.DOCKER else []
    assert asked == [*sandbox, "POST start", "GET json"]


def test_what_was_made_before_and_lost_is_made_again(engine: ContainerEngine, real: RealEngine, made: str) -> None:
    spec = container(LASTING, real, made)
    engine.prepare(spec)
    real.remove(engine.labels.name(spec.id))
    assert engine.start(spec).phase is Phase.RUNNING


def test_what_another_host_part_has_made_before_is_made_anew(engine: ContainerEngine, real: RealEngine, made: str) -> None:
    spec = container(LASTING, real, made)
    engine.prepare(spec)
    engine._ready.clear()
    assert engine.start(spec).phase is Phase.RUNNING
    assert len([one for one in real.containers() if one["State"] == "running"]) == (2 if real.name is EngineName.DOCKER else 1)


def test_who_is_started_again_by_its_engine_keeps_the_namespace_that_was_made_before(
    engine: ContainerEngine, real: RealEngine, made: str
) -> None:
    spec = container(LASTING, real, made, restart=RestartPolicy.ON_FAILURE)
    first = engine.start(spec)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: (facts := engine.facts(spec.id)) and facts.phase is Phase.RUNNING and facts.pid != first.pid)
    assert where(engine, spec) == inode(made)


def test_nothing_is_left_of_one_that_was_stopped_but_what_it_said(engine: ContainerEngine, real: RealEngine, made: str) -> None:
    spec = container(f"echo here; {LASTING}", real, made)
    engine.start(spec)
    until(lambda: list(engine.tail(spec.id, 1)) == ["here"])
    engine.stop(spec.id, 1.0)
    assert [one["State"] for one in real.containers()] == ["exited"]
    assert list(engine.tail(spec.id, 1)) == ["here"]
    assert engine.start(spec).phase is Phase.RUNNING
    assert where(engine, spec) == inode(made)
    engine.stop(spec.id, 1.0)
    engine.forget(spec.id)
    assert real.containers() == []


def test_a_namespace_that_is_not_there_is_told_and_nothing_is_left(engine: ContainerEngine, real: RealEngine) -> None:
    spec = container(LASTING, real, "/run/netns/rollout-no-such")
    with pytest.raises(BrokenError):
        engine.start(spec)
    engine.stop(spec.id, 1.0)
    engine.forget(spec.id)
    assert real.containers() == []


def test_both_engines_give_the_same_few_rights(engine: ContainerEngine, real: RealEngine) -> None:
    told = said(engine, container("cat /proc/self/status", real, ALONE))
    given = int(next(line.split()[1] for line in told if line.startswith("CapBnd:")), 16)
    assert f"{given:x}" == "800405fb"
    assert len(NEEDLESS) == 3


class TestSandbox:
    @pytest.fixture
    def real(self, real_docker: RealEngine) -> RealEngine:
        return real_docker

    def test_one_that_dies_is_there_again_and_its_container_never_noticed(
        self, engine: ContainerEngine, real: RealEngine, made: str
    ) -> None:
        spec = container(LASTING, real, made)
        before = engine.start(spec)
        name = name_of(engine.labels.name(spec.id))
        pid = self.pid(real, name)
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid(real, name) not in {0, pid})
        assert engine.facts(spec.id) == before
        assert inode(f"/proc/{self.pid(real, name)}/ns/net") == inode(made)

    def test_one_that_lost_its_container_is_known_by_its_instance(
        self, engine: ContainerEngine, real: RealEngine, made: str
    ) -> None:
        spec = container(LASTING, real, made)
        engine.start(spec)
        real.remove(engine.labels.name(spec.id))
        assert list(engine.known()) == [spec.id]
        engine.stop(spec.id, 0)
        assert real.containers() == []

    def test_one_that_was_lost_after_its_container_was_made_is_made_again(
        self, engine: ContainerEngine, real: RealEngine, made: str
    ) -> None:
        spec = container(LASTING, real, made)
        engine.prepare(spec)
        real.remove(name_of(engine.labels.name(spec.id)))
        engine.start(spec)
        assert where(engine, spec) == inode(made)

    def test_one_in_another_namespace_is_replaced(self, engine: ContainerEngine, real: RealEngine, made: str) -> None:
        """What is left of an earlier start of the host, or of a room that was made again."""
        other = f"{Path(made).name}-b"
        netns.create(other)
        try:
            engine.sandboxes.ready(container(LASTING, real, f"/run/netns/{other}"))  # type: ignore[union-attr]  # it is Docker
            spec = container(LASTING, real, made)
            engine.start(spec)
            assert where(engine, spec) == inode(made)
        finally:
            netns.remove(other)

    @staticmethod
    def pid(real: RealEngine, name: str) -> int:
        state = real.told(name)["State"]
        assert isinstance(state, dict)
        return int(state["Pid"])
