"""The desk with doers in memory."""

import threading
from pathlib import Path

import pytest

from rollout.errors import BrokenError, FencedError
from rollout.host.desk import Desk, Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryPorts
from rollout.host.ports import InstanceSpec, Phase
from rollout.model.fleet import RuntimeName
from rollout.runtimes.engines.memory import Fault, MemoryEngine


class World:
    """A desk and what it acts with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine, self.edge, self.names, self.ports = MemoryEngine(), MemoryEdge(), MemoryNames(), MemoryPorts()
        self.desk = self.again()

    def again(self) -> Desk:
        doers = Doers(engine=self.engine, edge=self.edge, names=self.names, watch=self.engine, ports=self.ports)
        self.desk = Desk(Ledger(self.folder), doers, version="1", boot="b")
        return self.desk


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger")


def spec(token: str = "t1", *, replica: int = 0, runtime: RuntimeName = RuntimeName.LEGACY, **more: object) -> InstanceSpec:
    return InstanceSpec(
        token=token,
        replica=replica,
        service="shop/api",
        host_name="api.shop.internal",
        runtime=runtime,
        release=1,
        argv=("true",),
        **more,  # type: ignore[arg-type]  # the fields of InstanceSpec by name
    )


def test_reserve_gives_one_port_per_instance_and_runs_nothing(world: World) -> None:
    first = world.desk.reserve(spec(), 1)
    assert world.desk.reserve(spec(), 1) == first
    assert world.desk.reserve(spec(replica=1), 1) != first
    assert world.engine.facts("t1.0") is None
    assert world.again().reserve(spec(), 1) == first


def test_start_gives_the_environment_and_is_idempotent(world: World) -> None:
    port = world.desk.reserve(spec(), 1)
    seen = world.desk.start(spec(env={"A": "b", "PORT": "1"}), 1)
    assert seen.facts.phase is Phase.RUNNING
    assert world.desk.start(spec(), 1).facts.pid == seen.facts.pid
    assert [one.port for one in world.desk.listeners("t1.0")] == [port]


def test_attach_publishes_names_and_counts_at_the_edge(world: World) -> None:
    world.desk.start(spec(), 1)
    world.desk.weigh("shop/api", "api.shop.internal", 0, 1)
    assert world.edge.routes["api.shop.internal"].legacy == ()
    world.desk.attach("t1.0", 5001, "found 5001", 1)
    assert world.edge.routes["api.shop.internal"].legacy == ("127.0.0.1:5001",)
    assert world.names.known == {
        "api.shop.internal": ("127.0.0.1", 1),
        "legacy.api.shop.internal": ("127.0.0.1", 5001),
        "0.legacy.api.shop.internal": ("127.0.0.1", 5001),
        "t1": ("127.0.0.1", 5001),
    }
    world.desk.detach("t1.0", 1)
    assert world.edge.routes["api.shop.internal"].legacy == ()
    assert set(world.names.known) == {"api.shop.internal"}
    world.desk.withdraw("shop/api", 1)
    assert world.names.known == {}
    assert world.edge.routes == {}


def test_the_name_of_a_side_leads_to_the_first_replica_of_the_newest_launch(world: World) -> None:
    for token, replica, port in (("t1", 0, 11), ("t1", 1, 12), ("t2", 1, 22), ("t2", 0, 21)):
        world.desk.start(spec(token, replica=replica), 1)
        world.desk.attach(f"{token}.{replica}", port, "", 1)
    assert world.names.known["legacy.api.shop.internal"][1] == 21
    assert world.names.known["1.legacy.api.shop.internal"][1] == 22
    world.desk.stop("t2.0", 1, 1)
    world.desk.stop("t2.1", 1, 1)
    assert world.names.known["legacy.api.shop.internal"][1] == 11
    assert "t2" not in world.names.known


def test_a_lower_fence_changes_nothing_also_after_the_host_part_died(world: World) -> None:
    world.desk.start(spec(), 41)
    world.again()
    for change in (
        lambda: world.desk.stop("t1.0", 1, 40),
        lambda: world.desk.attach("t1.0", 1, "", 40),
        lambda: world.desk.detach("t1.0", 40),
        lambda: world.desk.follow("t1.0", 40),
        lambda: world.desk.start(spec("t2"), 40),
        lambda: world.desk.reserve(spec("t2"), 40),
        lambda: world.desk.weigh("shop/api", "api.shop.internal", 5, 40),
        lambda: world.desk.withdraw("shop/api", 40),
    ):
        with pytest.raises(FencedError, match="shop/api: taken over by lease 41"):
            change()
    assert [one.id for one in world.desk.instances("shop/api")] == ["t1.0"]
    assert world.engine.pids("t1.0")
    assert world.edge.routes == {}


def test_one_change_per_service_at_a_time(world: World) -> None:
    world.desk.start(spec(), 1)
    held, go, order = threading.Event(), threading.Event(), []

    def slow(instance: str, grace_s: float) -> None:
        held.set()
        assert go.wait(10)
        order.append("stopped")

    world.engine.stop = slow  # type: ignore[method-assign]  # a stop that takes as long as the test wants
    first = threading.Thread(target=world.desk.stop, args=("t1.0", 1, 1))
    first.start()
    assert held.wait(10)

    def take_over() -> None:
        world.desk.weigh("shop/api", "api.shop.internal", 0, 2)
        order.append("weighed")

    second = threading.Thread(target=take_over)
    second.start()
    world.desk.weigh("shop/other", "other.shop.internal", 0, 1)
    assert world.desk.instances("shop/api")
    go.set()
    first.join(10)
    second.join(10)
    assert order == ["stopped", "weighed"]


def test_stop_then_forget_frees_the_port_and_a_stopped_one_starts_again(world: World) -> None:
    seen = world.desk.start(spec(), 1)
    with pytest.raises(BrokenError, match="not stopped"):
        world.desk.forget("t1.0", 1)
    world.desk.stop("t1.0", 1, 1)
    world.desk.stop("t1.0", 1, 1)
    assert world.desk.start(spec(), 1).facts.pid not in {None, seen.facts.pid}
    world.desk.stop("t1.0", 1, 1)
    world.desk.forget("t1.0", 1)
    world.desk.forget("t1.0", 1)
    assert world.desk.instances() == []


def test_a_declared_port_that_somebody_holds_is_named(world: World) -> None:
    world.ports.held[8080] = "pid 7 (nginx)"
    with pytest.raises(BrokenError, match=r"port 8080 is in use by pid 7 \(nginx\)"):
        world.desk.start(spec(port_declared=8080), 1)
    assert world.engine.facts("t1.0") is None


def test_a_port_of_ours_that_somebody_took_meanwhile_is_replaced_and_all_leads_to_the_new_one(world: World) -> None:
    port = world.desk.reserve(spec(), 1)
    world.desk.start(spec(), 1)
    world.desk.attach("t1.0", port, "", 1)
    world.desk.weigh("shop/api", "api.shop.internal", 0, 1)
    world.engine.lose("t1.0")
    world.ports.held[port] = "another process"
    world.desk.start(spec(), 1)
    (listener,) = world.desk.listeners("t1.0")
    assert listener.port == world.desk.reserve(spec(), 1) != port
    assert world.edge.routes["api.shop.internal"].legacy == (f"127.0.0.1:{listener.port}",)
    assert world.names.known["legacy.api.shop.internal"] == ("127.0.0.1", listener.port)


def test_in_flight_counts_copies_of_a_side_also_when_just_detached(world: World) -> None:
    world.desk.start(spec(), 1)
    world.desk.attach("t1.0", 5001, "", 1)
    world.edge.busy = {"127.0.0.1:5001": 2}
    world.desk.detach("t1.0", 1)
    assert world.desk.in_flight("shop/api", RuntimeName.LEGACY) == 2
    assert world.desk.in_flight("shop/api", RuntimeName.V2) == 0


def test_a_program_that_ends_at_once_is_told_truthfully(world: World) -> None:
    world.engine.faults["shop/api", RuntimeName.LEGACY] = Fault(exits=7, says=("boom",))
    facts = world.desk.start(spec(), 1).facts
    assert (facts.phase, facts.exit_code) == (Phase.FAILED, 7)
    assert world.desk.tail("t1.0", 5) == ["boom"]


def test_a_copy_that_is_only_named_gets_no_traffic_until_it_is_attached_with_it(world: World) -> None:
    world.desk.weigh("shop/api", "api.shop.internal", 0, 1)
    world.desk.start(spec(), 1)
    world.desk.attach("t1.0", 5001, "", 1)
    world.desk.start(spec("t2"), 1)
    world.desk.attach("t2.0", 5002, "", 1, traffic=False)
    assert world.edge.routes["api.shop.internal"].legacy == ("127.0.0.1:5001",)
    assert world.names.known["legacy.api.shop.internal"] == ("127.0.0.1", 5002)
    world.desk.attach("t2.0", 5002, "", 1)
    assert world.edge.routes["api.shop.internal"].legacy == ("127.0.0.1:5001", "127.0.0.1:5002")
    world.edge.busy = {"127.0.0.1:5001": 2, "127.0.0.1:5002": 5}
    assert world.desk.in_flight("shop/api", RuntimeName.LEGACY, "t1") == 2


def test_plain_tcp_is_led_to_the_copy_and_not_to_the_edge(world: World) -> None:
    world.desk.start(spec(direct=True), 1)
    world.desk.weigh("shop/api", "api.shop.internal", 0, 1)
    world.desk.attach("t1.0", 6379, "", 1)
    assert world.names.known["api.shop.internal"] == ("127.0.0.1", 6379)
    assert world.edge.routes == {}


def test_a_stopped_copy_is_told_from_a_crashed_one(world: World) -> None:
    world.desk.start(spec(), 1)
    assert world.desk.instances("shop/api")[0].wanted
    world.desk.stop("t1.0", 1, 1)
    assert not world.desk.instances("shop/api")[0].wanted
