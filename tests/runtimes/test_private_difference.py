"""The difference between the two runtimes in the private network: when a copy is in it. And what it must listen on there."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.executor.memory import VirtualClock
from rollout.executor.ports import Copy, Order
from rollout.host.desk import Desk, Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryNetwork, MemoryPorts
from rollout.host.ports import InstanceFacts, InstanceSpec, Listener
from rollout.model.fleet import EngineName, Kind, Release, RuntimeName, Service, Tier
from rollout.network.ask import Question
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2


class Container(MemoryEngine):
    """Remembers its network at its start, and who was in it when it was first seen to listen."""

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__()
        self.network = network
        self.started_in = ""
        self.where = "::"

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        self.started_in = spec.network
        return super().start(spec)

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        own = self.where in {"127.0.0.1", "::1"}
        return [replace(one, address=self.where, loopback=own) for one in super().listeners(pids)]


class World:
    def __init__(self, folder: Path) -> None:
        self.network, self.names, self.clock = MemoryNetwork(), MemoryNames(), VirtualClock(datetime(2024, 6, 4, tzinfo=UTC))
        self.engine = Container(self.network)
        doers = Doers(
            engine=self.engine,
            edge=MemoryEdge(),
            names=self.names,
            watch=self.engine,
            ports=MemoryPorts(),
            network=self.network,
        )
        self.desk = Desk(Ledger(folder), doers)

    def order(self, runtime: RuntimeName, **more: object) -> Order:
        spec = Service(name="api", environment="shop", customer="acme", tier=Tier.TRIAL, image="api:1", engine=EngineName.DOCKER)
        spec = replace(spec, **more)  # type: ignore[arg-type]  # fields of Service by name
        release = Release(service="shop/api", number=1, created=self.clock.now(), created_by="ann", spec=spec)
        return Order(release=release, runtime=runtime, token="t1", fence=1, deadline_s=5.0)

    def runtime(self, name: RuntimeName) -> Legacy | V2:
        return Legacy(self.desk, self.clock) if name is RuntimeName.LEGACY else V2(self.desk, self.clock, self.ask)

    def launch(self, runtime: RuntimeName, **more: object) -> Copy:
        return self.runtime(runtime).launch(self.order(runtime, **more))

    def ask(self, address: str, _question: Question) -> bool:
        return address.endswith(":9002") and address.startswith("100.64." if self.engine.where == "0.0.0.0" else "[fd00:")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


def test_v2_starts_in_a_network_that_stands(world: World) -> None:
    assert world.launch(RuntimeName.V2).addresses == ("[fd00::1:0:2]:8080",)
    assert world.engine.started_in == "/run/netns/t1.0"


def test_legacy_starts_alone_and_is_patched_in(world: World) -> None:
    assert world.launch(RuntimeName.LEGACY).addresses == ("[fd00::1:0:2]:8080",)
    assert world.engine.started_in == "none"


def test_without_the_patch_step_nobody_reaches_legacy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.desk, "join", lambda *_: None)
    world.launch(RuntimeName.LEGACY)
    assert world.network.members == {}


@pytest.mark.parametrize("runtime", RuntimeName)
def test_a_worker_is_in_it_too(world: World, runtime: RuntimeName) -> None:
    """Its neighbours do not call it, but it calls them."""
    world.launch(runtime, kind=Kind.WORKER)
    assert set(world.network.members) == {"t1.0"}


@pytest.mark.parametrize("runtime", RuntimeName)
@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
def test_what_listens_for_itself_alone_fails_with_what_to_change(world: World, runtime: RuntimeName, where: str) -> None:
    world.engine.where = where
    with pytest.raises(BrokenError, match="for itself alone: make it listen on"):
        world.launch(runtime)
    assert world.network.members == {}


@pytest.mark.parametrize("runtime", RuntimeName)
def test_what_has_its_port_for_itself_alone_is_not_waited_for(world: World, runtime: RuntimeName) -> None:
    """It may yet think better of it."""
    world.engine.where, order = "127.0.0.1", replace(world.order(runtime), deadline_s=60.0)
    began = world.clock.now()
    with pytest.raises(BrokenError, match=r"after 5 s it listens only on 127\.0\.0\.1:8080, for itself alone"):
        world.runtime(runtime).launch(order)
    assert 5 <= (world.clock.now() - began).total_seconds() < 6


@pytest.mark.parametrize("runtime", RuntimeName)
def test_what_is_late_for_others_is_waited_for(world: World, runtime: RuntimeName) -> None:
    """Another port than its own may be for itself alone as long as it likes."""
    world.engine.where, order = "127.0.0.1", replace(world.order(runtime), deadline_s=60.0)
    world.engine.faults["shop/api", runtime] = Fault(listens=(9229,))
    with pytest.raises(BrokenError, match="after 60 s it "):
        world.runtime(runtime).launch(order)


@pytest.mark.parametrize("runtime", RuntimeName)
def test_ipv4_alone_works(world: World, runtime: RuntimeName) -> None:
    world.engine.where = "0.0.0.0"
    assert world.launch(runtime).addresses == ("100.64.0.2:8080",)


@pytest.mark.parametrize(("where", "address"), [("::", "[fd00::1:0:2]:9002"), ("0.0.0.0", "100.64.0.2:9002")])
def test_v2_asks_the_health_path_inside(world: World, where: str, address: str) -> None:
    world.engine.faults["shop/api", RuntimeName.V2] = Fault(listens=(9001, 9002))
    world.engine.where = where
    assert world.launch(RuntimeName.V2, health_path="/up").addresses == (address,)


@pytest.mark.parametrize(("name", "before"), [(RuntimeName.LEGACY, set()), (RuntimeName.V2, {"t1.0"})])
def test_the_network_of_v2_stands_when_it_has_been_published(world: World, name: RuntimeName, before: set[str]) -> None:
    runtime, order = world.runtime(name), world.order(name)
    runtime.publish(order)
    assert set(world.network.members) == before
    runtime.unpublish(order)
    assert world.network.members == {}
