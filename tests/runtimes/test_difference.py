"""The difference between the two runtimes: when the name stands, and what a program may do with its port."""

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
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryPorts
from rollout.host.ports import InstanceFacts, InstanceSpec, Listener
from rollout.model.fleet import Kind, Release, RuntimeName, Service, Tier
from rollout.network.ask import Question
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.specs import instances
from rollout.runtimes.v2 import SETTLE_S, V2


class Curious(MemoryEngine):
    """Remembers which names stood when a program was started, and can let a program listen only after some looks."""

    def __init__(self, names: MemoryNames) -> None:
        super().__init__()
        self.names = names
        self.seen: dict[str, tuple[str, int]] = {}
        self.opens: list[tuple[int, ...]] = []

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        self.seen = dict(self.names.known)
        return super().start(spec)

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        if not self.opens:
            return super().listeners(pids)
        ports = self.opens.pop(0)
        return [Listener(pid=pids[0], address="127.0.0.1", port=port, loopback=True) for port in ports]


class World:
    def __init__(self, folder: Path) -> None:
        self.names, self.edge = MemoryNames(), MemoryEdge()
        self.engine = Curious(self.names)
        self.ports = MemoryPorts()
        doers = Doers(engine=self.engine, edge=self.edge, names=self.names, watch=self.engine, ports=self.ports)
        self.desk = Desk(Ledger(folder), doers)
        self.clock = VirtualClock(datetime(2024, 6, 4, tzinfo=UTC))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


def order(runtime: RuntimeName, **more: object) -> Order:
    spec = Service(name="api", environment="shop", customer="acme", tier=Tier.TRIAL, command="serve $PORT")
    spec = replace(spec, **more)  # type: ignore[arg-type]  # fields of Service by name
    release = Release(service="shop/api", number=1, created=datetime(2024, 6, 4, tzinfo=UTC), created_by="ann", spec=spec)
    return Order(release=release, runtime=runtime, token="t1", fence=1, deadline_s=5.0)


def test_v2_has_its_name_before_the_first_instruction(world: World) -> None:
    V2(world.desk, world.clock).launch(order(RuntimeName.V2))
    assert world.engine.seen["v2.api.shop.internal"] == world.names.known["v2.api.shop.internal"]


def test_legacy_has_its_name_only_after_it_has_been_patched_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Legacy(world.desk, world.clock).launch(order(RuntimeName.LEGACY))
    assert "legacy.api.shop.internal" not in world.engine.seen
    assert "legacy.api.shop.internal" in world.names.known


def test_without_the_patch_step_the_name_of_legacy_never_resolves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.desk, "attach", lambda *_, **__: None)
    Legacy(world.desk, world.clock).launch(order(RuntimeName.LEGACY))
    world.clock.sleep(3600)
    assert "legacy.api.shop.internal" not in world.names.known


def test_legacy_waits_for_the_program_and_not_for_a_time(world: World) -> None:
    world.engine.opens = [(), (), (), (20001,)]
    before = world.clock.now()
    Legacy(world.desk, world.clock).launch(order(RuntimeName.LEGACY))
    assert (world.clock.now() - before).total_seconds() == pytest.approx(0.09)


def test_v2_waits_until_a_port_that_nobody_told_it_has_settled(world: World) -> None:
    world.engine.opens = [(9001,)] * 5 + [(9001, 20001)]
    copy = V2(world.desk, world.clock).launch(order(RuntimeName.V2))
    assert (copy.addresses, copy.ports_note) == (("127.0.0.1:20001",), "given PORT 20001")


def test_v2_takes_a_port_that_stays_and_says_so(world: World) -> None:
    world.engine.faults["shop/api", RuntimeName.V2] = Fault(listens=(9001,))
    copy = V2(world.desk, world.clock).launch(order(RuntimeName.V2, port=8080))
    assert (copy.addresses, copy.ports_note) == (("127.0.0.1:9001",), "found 9001, declared 8080")


def test_v2_asks_the_health_path_where_there_are_several(world: World) -> None:
    asked: list[tuple[str, str | None]] = []

    def ask(address: str, question: Question) -> bool:
        asked.append((address, question.path))
        return address.endswith(":9002")

    world.engine.faults["shop/api", RuntimeName.V2] = Fault(listens=(9001, 9002))
    copy = V2(world.desk, world.clock, ask).launch(order(RuntimeName.V2, health_path="/up"))
    assert copy.addresses == ("127.0.0.1:9002",)
    assert asked[:2] == [("127.0.0.1:9001", "/up"), ("127.0.0.1:9002", "/up")]


def test_v2_fails_where_several_ports_remain(world: World) -> None:
    world.engine.faults["shop/api", RuntimeName.V2] = Fault(listens=(9001, 9002))
    with pytest.raises(BrokenError, match="after 5 s several ports: 9001, 9002; set one"):
        V2(world.desk, world.clock).launch(order(RuntimeName.V2))
    assert world.names.known == {}


def test_a_declared_port_that_another_program_has_is_told_before_anything_is_stopped(world: World) -> None:
    world.ports.held[8080] = "pid 7 (nginx)"
    legacy = Legacy(world.desk, world.clock)
    legacy.publish(order(RuntimeName.LEGACY))
    legacy.publish(order(RuntimeName.LEGACY, kind=Kind.WORKER, port=8080))
    with pytest.raises(BrokenError, match=r"port 8080 is in use by pid 7 \(nginx\)") as told:
        legacy.publish(order(RuntimeName.LEGACY, port=8080))
    assert told.value.state == "nothing was stopped or started"
    assert "end pid 7 (nginx), or rollout service set shop/api --port N" in told.value.then


def test_who_took_the_port_just_before_the_program_did_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.engine.faults["shop/api", RuntimeName.LEGACY] = Fault(exits=1)
    start = world.engine.start

    def lose(spec: InstanceSpec) -> InstanceFacts:
        world.ports.held[8080] = "pid 7 (nginx)"
        return start(spec)

    monkeypatch.setattr(world.engine, "start", lose)
    with pytest.raises(BrokenError, match=r"ended with exit code 1 while it came up; port 8080 is in use by pid 7 \(nginx\)"):
        Legacy(world.desk, world.clock).launch(order(RuntimeName.LEGACY, port=8080))


def test_an_order_becomes_the_same_specs_each_time() -> None:
    first, second = instances(replace(order(RuntimeName.V2, kind=Kind.TCP, port=6379), replicas=2))
    assert (first.id, second.id) == ("t1.0", "t1.1")
    assert (first.argv, first.port_declared, first.serves, first.direct) == (("/bin/sh", "-c", "serve $PORT"), 6379, True, True)
    assert instances(order(RuntimeName.V2, kind=Kind.WORKER, command=("a", "b c")))[0].argv == ("a", "b c")
    assert not instances(order(RuntimeName.V2, kind=Kind.WORKER))[0].serves


def timed(world: World, runtime: type[Legacy | V2], monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A launch whose program listens at the third look (0.06 s), on a host part that takes 1.5 s to lead names and edge to it."""
    attach = world.desk.attach

    def slowly(*facts: object, **more: object) -> None:
        world.clock.sleep(1.5)
        attach(*facts, **more)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(world.desk, "attach", slowly)
    world.engine.opens = [(), ()]
    side = RuntimeName.LEGACY if runtime is Legacy else RuntimeName.V2
    return runtime(world.desk, world.clock).launch(order(side))


@pytest.mark.parametrize("runtime", [Legacy, V2])
def test_launch_and_discovery_are_two_figures(world: World, runtime: type[Legacy | V2], monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens before the first process starts (v2 makes the name then) is in neither."""
    copy = timed(world, runtime, monkeypatch)
    assert (copy.launched_s, copy.discoverable_s) == (pytest.approx(0.06), pytest.approx(1.56))


def test_time_to_be_sure_of_a_port_is_time_to_discovery(world: World) -> None:
    world.engine.opens = [(), *[(8123,)] * 20]
    copy = V2(world.desk, world.clock).launch(order(RuntimeName.V2))
    assert copy.launched_s == pytest.approx(0.03)
    assert copy.discoverable_s == pytest.approx(0.03 + SETTLE_S, abs=0.031)


@pytest.mark.parametrize("runtime", [Legacy, V2])
def test_what_ran_before_is_not_timed(world: World, runtime: type[Legacy | V2]) -> None:
    """A driver that takes over half a launch does not know since when the process runs."""
    side = RuntimeName.LEGACY if runtime is Legacy else RuntimeName.V2
    half = order(side)
    (spec,) = instances(half)
    world.desk.reserve(spec, 1)
    world.desk.start(spec, 1)
    copy = runtime(world.desk, world.clock).launch(half)
    assert (copy.alive, copy.launched_s, copy.discoverable_s) == (True, None, None)


@pytest.mark.parametrize("runtime", [Legacy, V2])
def test_what_serves_nothing_is_launched_and_never_discoverable(world: World, runtime: type[Legacy | V2]) -> None:
    side = RuntimeName.LEGACY if runtime is Legacy else RuntimeName.V2
    copy = runtime(world.desk, world.clock).launch(order(side, kind=Kind.WORKER))
    assert (copy.launched_s, copy.discoverable_s) == (0.0, None)
