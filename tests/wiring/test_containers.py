"""Podman's service where none runs: started for the user, found again, and gone afterwards; engines that are not there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import spec_of
from rollout.errors import BrokenError
from rollout.host.keep import Keeper
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName
from rollout.runtimes.engines import sockets
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.several import Engines
from rollout.wiring.containers import PODMAN, Containers
from tests.runtimes.engines.real_engines import IMAGE, image, podman_environment, temporary_folder


def container(engine: EngineName = EngineName.CONTAINERS) -> InstanceSpec:
    return replace(spec_of(("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 60 & wait")), image=IMAGE, engine=engine)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Keeper, Containers]]:
    """A home on a host without an engine's socket, where Podman is installed with a storage of its own."""
    with temporary_folder("rollout-own-") as folder, podman_environment(folder) as env:
        for variable in sockets.VARIABLE.values():
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(sockets, "usual", lambda *_: [])
        keeper = Keeper(folder / "kept")
        containers = Containers(folder, keeper, env)
        try:
            yield keeper, containers
        finally:
            keeper.stop(PODMAN, 5)
            containers.forget()


def engines(containers: Containers, folder: Path) -> Engines:
    return containers.beside(ProcessEngine(folder / "instances"))


def load(containers: Containers, keeper: Keeper) -> None:
    """The image is in the storage of that Podman."""
    import httpx

    socket = containers.podman_socket()
    assert socket is not None
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://engine", timeout=60) as client:
        told = client.post("/v4.0.0/libpod/images/load", content=image(), headers={"Content-Type": "application/x-tar"})
        assert told.is_success, told.text


def test_podman_is_started_where_none_runs_and_a_container_outlives_its_service(
    alone: tuple[Keeper, Containers], tmp_path: Path
) -> None:
    keeper, containers = alone
    several = engines(containers, tmp_path)
    with pytest.raises(BrokenError, match="is not on podman"):
        several.pinned(container())
    load(containers, keeper)
    spec = several.pinned(container())
    assert spec.engine is EngineName.PODMAN
    before = several.start(spec)
    facts = keeper.facts(PODMAN)
    assert facts is not None
    assert facts.pid is not None
    keeper.stop(PODMAN, 5)
    assert several.facts(spec.id) == before
    several.close()
    again = engines(containers, tmp_path)
    again.stop(spec.id, 5)
    again.forget(spec.id)
    assert list(again.known()) == []
    again.close()


def test_no_engine_is_told_with_what_installs_one(
    alone: tuple[Keeper, Containers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, containers = alone
    monkeypatch.setattr(sockets, "program", lambda *_: None)
    with pytest.raises(BrokenError, match="docker and podman are not on this host") as told:
        engines(containers, tmp_path).pinned(container())
    assert "apt-get install docker.io" in told.value.then


def test_a_variable_that_names_another_host_is_refused(
    alone: tuple[Keeper, Containers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, containers = alone
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(BrokenError, match="no socket of this host"):
        engines(containers, tmp_path).pinned(container(EngineName.DOCKER))
