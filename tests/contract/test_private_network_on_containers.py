"""What only the private network has, with real containers and tunnels on both engines: who is reached how, and what mends."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import until
from rollout.contract.runtime import order
from rollout.errors import BrokenError
from rollout.executor.ports import Order
from rollout.host.ports import Attached, Phase
from rollout.model.fleet import EngineName, RestartPolicy, RuntimeName
from rollout.network.ask import Asker, Question
from tests.contract.container_worlds import AND_WAITS, MeshWorld
from tests.network.mesh.mesh_rigs import traces
from tests.runtimes.engines.real_engines import image

SERVICE = "shop/api"
NOBODY = "nobody:1"


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def where(request: pytest.FixtureRequest) -> EngineName:
    return EngineName(request.param)


@pytest.fixture(params=RuntimeName)
def world(request: pytest.FixtureRequest, tmp_path: Path, where: EngineName) -> Iterator[MeshWorld]:
    world = MeshWorld(tmp_path, request.param, request.getfixturevalue(f"real_{where.value}"))
    try:
        yield world
    finally:
        world.end()


def running(world: MeshWorld, program: str, token: str = "t.shop.api.1", **more: object) -> Order:
    """An order for a shell program; `more` are fields of its service."""
    usual = order(world, token=token)
    spec = replace(usual.release.spec, command=("/bin/sh", "-c", f"{program} {AND_WAITS}"), **more)  # type: ignore[arg-type]
    return replace(usual, release=replace(usual.release, spec=spec))


def answers(world: MeshWorld, address: str) -> bool:
    """From within the room."""
    asker = Asker(world.rooms)
    found = asker.ask(address, Question(host_name="api.shop.internal"))
    asker.close()
    return found.good


def only(world: MeshWorld) -> Attached:
    (found,) = world.desk.instances(SERVICE)
    return found


def test_one_that_knows_ipv4_alone_is_reached_by_it(world: MeshWorld) -> None:
    (address,) = world.runtime.launch(running(world, "httpd -f -p 0.0.0.0:$PORT")).addresses
    assert address.startswith("100.64.")
    assert answers(world, address)


def test_one_that_listens_for_itself_alone_is_told_what_to_change_and_nothing_is_left(world: MeshWorld) -> None:
    with pytest.raises(BrokenError, match=r"listens only on 127\.0\.0\.1:8080, for itself alone"):
        world.runtime.launch(replace(running(world, "httpd -f -p 127.0.0.1:$PORT"), deadline_s=1.0))
    assert world.mesh.member(only(world).id) is None


def test_two_copies_have_the_same_low_port_without_being_root(world: MeshWorld) -> None:
    """As under Docker, where every program may have any port of its own network."""
    world.here.load(image(NOBODY, {"User": "65534:65534"}))
    for token in ("t.shop.api.1", "t.shop.api.2"):
        (address,) = world.runtime.launch(running(world, "httpd -f -p 80", token, port=80, image=NOBODY)).addresses
        assert address.endswith("]:80")
        assert answers(world, address)


def test_one_that_its_engine_starts_again_is_reached_at_the_same_address(world: MeshWorld) -> None:
    """Docker gives it a new network, that is patched anew; what was made before stays."""
    (address,) = world.runtime.launch(running(world, "httpd -f -p $PORT", restart=RestartPolicy.ALWAYS)).addresses
    before = only(world)
    assert before.facts.pid is not None
    os.kill(before.facts.pid, signal.SIGKILL)
    until(lambda: (now := only(world).facts).phase is Phase.RUNNING and now.pid != before.facts.pid)

    def mended() -> bool:
        world.keeping.keep_network()
        return answers(world, address)

    until(mended)
    assert (only(world).own, only(world).address) == (before.own, address)


def test_what_down_ended_comes_back_as_it_was(world: MeshWorld) -> None:
    world.runtime.launch(running(world, "httpd -f -p $PORT"))
    before = only(world)
    world.keeping.end_all()
    assert traces(world.mesh.mark) == []
    assert list(world.keeping.bring_back()) == [before.id]
    until(lambda: answers(world, before.address))
    assert only(world).own == before.own
