"""Deploy, stop and restart on a desk with doers in memory and a real store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.errors import BrokenError, FencedError, LockedError, UsageError, WaitingError
from rollout.executor.memory import VirtualClock
from rollout.executor.ports import LEASE_S
from rollout.host.desk import Desk, Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryPorts
from rollout.host.ports import InstanceFacts, InstanceSpec
from rollout.model.fleet import EngineName, Kind, Origin, RuntimeName, Service, Setting, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.policy import HealthGate
from rollout.network.ask import Answer, Question
from rollout.operations.deploy import Means, deploy, deploy_every, deploy_many, outcome, refuse, restart, stop
from rollout.operations.deployable import Machine
from rollout.operations.replace import Live, why_stop_first
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from rollout.store import audit, blocks, setting
from rollout.store.deploys import Deployed, Deploys
from rollout.store.history import failed_deploy
from rollout.store.leases import StoreLeases
from rollout.store.services import Services
from rollout.store.tables import MoveRow
from rollout.wiring.home import Home

START = datetime(2024, 6, 4, 9, tzinfo=UTC)
ANN = Holder(user="ann", host="here", pid=1, started=1.0, doing="service deploy")
API = Service(
    name="api", environment="shop", customer="acme", tier=Tier.TRIAL, command="serve", health_path="/up", health_timeout_s=5
)


class Recording(MemoryEngine):
    """What was done, in order; and what the edge said at each start and stop."""

    def __init__(self, edge: MemoryEdge) -> None:
        super().__init__()
        self.done: list[tuple[str, str, tuple[str, ...]]] = []
        self.edge = edge
        self.on_start: Callable[[], None] = lambda: None

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        if (known := self.facts(spec.id)) is None or known.pid is None:
            self.done.append(("start", str(spec.release), self._routed()))
            self.on_start()
        return super().start(spec)

    def stop(self, instance: str, grace_s: float) -> None:
        if self.pids(instance):
            self.done.append(("stop", instance.partition(".")[0], self._routed()))
        super().stop(instance, grace_s)

    def _routed(self) -> tuple[str, ...]:
        route = self.edge.routes.get("api.shop.internal")
        return (*route.legacy, *route.v2) if route else ()


class Crashing(Deploys):
    """Its command is ended just before it writes."""

    def record(self, deployed: Sequence[Deployed], *, who: str, lease: Lease | None = None) -> frozenset[str]:
        raise KeyboardInterrupt


class World:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        home = Home(folder)
        self.database = home.database()
        self.clock = VirtualClock(START)
        self.services = Services(self.database, home.keyed_hash, self.clock.now)
        self.edge, self.names, self.ports = MemoryEdge(), MemoryNames(), MemoryPorts()
        self.engine = Recording(self.edge)
        doers = Doers(engine=self.engine, edge=self.edge, names=self.names, watch=self.engine, ports=self.ports)
        self.desk = Desk(Ledger(folder / "ledger"), doers)
        self.answer = Answer(True, "200")
        self.said: list[tuple[str, str]] = []
        self.leases = StoreLeases(self.database, self.clock.now, lambda _: True)
        self.means = self._means()

    def _means(self) -> Means:
        def ask(address: str, question: Question) -> Answer:
            return self.answer

        live = Live(
            host=self.desk,
            runtimes={
                RuntimeName.LEGACY: Legacy(self.desk, self.clock),
                RuntimeName.V2: V2(self.desk, self.clock, lambda _a, _q: True),
            },
            ask=ask,
            rules=HealthGate(),
            clock=self.clock,
        )
        means = Means(
            deploys=Deploys(self.database, self.clock.now),
            leases=self.leases,
            holder=ANN,
            live=lambda: live,
            bring_back=lambda service, verb: refuse(self.means.deploys, service, verb),
            read_env_file=lambda path: {"FROM_FILE": path.name, "A": "file"},
            clock=self.clock,
            tell=lambda service, line: self.said.append((service, line)),
        )
        self.live = live
        return means

    def add(self, service: Service = API, *, v2: bool = False) -> Service:
        self.services.put([service], who="ann")
        if v2:
            with self.database.writing() as session:
                chosen = Setting(runtime=RuntimeName.V2, origin=Origin.OWNER)
                setting.put(session, service.id, chosen, who="ann", at=START)
        return service

    def running(self, service: str = "shop/api") -> list[tuple[int, RuntimeName]]:
        return [(one.release, one.runtime) for one in self.desk.instances(service) if one.facts.pid]

    def blocked(self) -> Mapping[str, object]:
        with self.database.reading() as session:
            return blocks.every(session)

    def placed(self, service: str = "shop/api") -> list[tuple[RuntimeName, int]]:
        return [(one.runtime, one.release) for one in self.means.deploys.placements(service)]

    def audit(self) -> Sequence[str]:
        with self.database.reading() as session:
            return [row.what for row in audit.read(session)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "home")


def test_the_first_deploy_runs_where_the_setting_says_and_has_all_traffic(world: World) -> None:
    result = deploy(world.means, world.add(v2=True))
    assert outcome(result) == "release 1 runs on v2"
    assert world.running() == [(1, RuntimeName.V2)]
    assert world.placed() == [(RuntimeName.V2, 1)]
    route = world.edge.routes["api.shop.internal"]
    assert (route.legacy, len(route.v2), route.weight) == ((), 1, 100)
    assert world.names.known["api.shop.internal"] == ("127.0.0.1", 1)


def test_the_next_deploy_stays_where_the_service_runs_whatever_the_setting_says(world: World) -> None:
    deploy(world.means, world.add())
    world.add(v2=True)
    assert outcome(deploy(world.means, API)) == "release 2 runs on legacy, was 1"
    assert world.running() == [(2, RuntimeName.LEGACY)]


def test_a_deploy_replaces_as_a_move_does(world: World) -> None:
    deploy(world.means, world.add())
    (old,) = world.edge.routes["api.shop.internal"].legacy
    deploy(world.means, API)
    (new,) = world.edge.routes["api.shop.internal"].legacy
    steps = [(what, routed) for what, _, routed in world.engine.done[1:]]
    assert old != new
    assert steps == [("start", (old,)), ("stop", (new,))]


def test_the_old_copy_is_stopped_only_when_its_requests_have_ended(world: World) -> None:
    deploy(world.means, world.add())
    (old,) = world.edge.routes["api.shop.internal"].legacy
    world.edge.busy = {old: 1}
    before = world.clock.now()
    deploy(world.means, API)
    assert (world.clock.now() - before).total_seconds() >= API.draining_s


def test_a_release_that_is_not_healthy_leaves_the_old_one_serving(world: World) -> None:
    deploy(world.means, world.add())
    (old,) = world.edge.routes["api.shop.internal"].legacy
    world.answer = Answer(False, "503")
    with pytest.raises(BrokenError, match="not healthy") as told:
        deploy(world.means, API)
    assert told.value.state.startswith("release 1 runs on, untouched")
    assert world.edge.routes["api.shop.internal"].legacy == (old,)
    assert world.running() == [(1, RuntimeName.LEGACY)]
    assert world.placed() == [(RuntimeName.LEGACY, 1)]
    assert world.means.deploys.next_number("shop/api") == 2


def test_a_release_that_crashes_says_its_last_words(world: World) -> None:
    deploy(world.means, world.add())
    world.engine.faults["shop/api", RuntimeName.LEGACY] = Fault(exits=3, says=("no such module",))
    with pytest.raises(BrokenError, match="exit code 3") as told:
        deploy(world.means, API)
    assert "no such module" in told.value.state
    assert "release 1 runs on" in told.value.state
    assert world.running() == [(1, RuntimeName.LEGACY)]
    with world.database.reading() as session:
        line = audit.read(session, subject="shop/api")[-1]
        failed = failed_deploy(session, "shop/api")
    assert (line.who, line.what) == ("ann", "deploy failed")
    assert "exit code 3" in line.why
    assert failed is not None
    assert failed.seq == line.seq
    world.engine.faults.clear()
    deploy(world.means, API)
    with world.database.reading() as session:
        assert failed_deploy(session, "shop/api") is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"port": 8080}, "fixed port 8080"),
        ({"volumes": ("data:/data",)}, "volume"),
        ({"kind": Kind.TCP, "health_path": None}, "tcp"),
        ({"kind": Kind.WORKER, "health_path": None}, "worker"),
    ],
)
def test_what_cannot_run_twice_is_stopped_first_and_that_is_said(world: World, changed: dict[str, object], why: str) -> None:
    service = world.add(replace(API, **changed))  # type: ignore[arg-type]  # fields of Service by name
    deploy(world.means, service)
    deploy(world.means, service)
    assert [what for what, *_ in world.engine.done] == ["start", "stop", "start"]
    assert any(why in line for _, line in world.said)
    assert world.running() == [(2, RuntimeName.LEGACY)]


def test_with_networks_of_their_own_two_copies_with_a_fixed_port_or_of_plain_tcp_run_side_by_side() -> None:
    database = replace(API, kind=Kind.TCP, port=6379, health_path=None)
    assert why_stop_first(database, database, apart=True) is None
    assert "fixed port 6379" in str(why_stop_first(database, database))
    mounted = replace(database, volumes=("data:/data",))
    assert "volume" in str(why_stop_first(mounted, mounted, apart=True))


def test_a_stopped_first_service_comes_back_when_its_new_release_is_not_fit(world: World) -> None:
    service = world.add(replace(API, port=8080))
    deploy(world.means, service)
    world.engine.on_start = lambda: setattr(world, "answer", Answer(len(world.engine.done) > 3, "503"))
    with pytest.raises(BrokenError) as told:
        deploy(world.means, service)
    assert told.value.state.startswith("release 1 runs again")
    assert world.running() == [(1, RuntimeName.LEGACY)]
    assert world.placed() == [(RuntimeName.LEGACY, 1)]
    assert world.edge.routes["api.shop.internal"].legacy == ("127.0.0.1:8080",)
    (placement,) = world.means.deploys.placements("shop/api")
    assert {one.token for one in world.desk.instances("shop/api") if one.facts.pid} == {placement.token}
    world.answer, world.engine.on_start = Answer(True, "200"), lambda: None
    assert outcome(deploy(world.means, service)) == "release 2 runs on legacy, was 1"


@pytest.mark.parametrize("service", [API, replace(API, port=8080)])
def test_ctrl_c_while_the_new_copy_comes_up_leaves_the_old_release(world: World, service: Service) -> None:
    deploy(world.means, world.add(service))

    def interrupt() -> None:
        world.engine.on_start = lambda: None
        raise KeyboardInterrupt

    world.engine.on_start = interrupt
    with pytest.raises(KeyboardInterrupt):
        deploy(world.means, service)
    assert world.running() == [(1, RuntimeName.LEGACY)]
    assert world.placed() == [(RuntimeName.LEGACY, 1)]
    assert outcome(deploy(world.means, service)) == "release 2 runs on legacy, was 1"


def test_what_a_crashed_deploy_left_is_cleared_away_by_the_next(world: World) -> None:
    deploy(world.means, world.add())
    with pytest.raises(KeyboardInterrupt):
        deploy(replace(world.means, deploys=Crashing(world.database, world.clock.now)), API)
    assert len(world.running()) == 2
    deploy(world.means, API)
    assert world.running() == [(2, RuntimeName.LEGACY)]
    assert len(world.desk.instances("shop/api")) == 1


def test_env_file_and_engine_are_settled_in_the_release(world: World) -> None:
    deploy(world.means, world.add(replace(API, env={"A": "own"}, env_file="/etc/shop.env")))
    release = world.means.deploys.release("shop/api")
    assert release is not None
    assert release.spec.env == {"FROM_FILE": "shop.env", "A": "own"}
    assert release.spec.engine is EngineName.PROCESS


def test_an_old_release_is_deployed_under_the_setting_of_now(world: World) -> None:
    deploy(world.means, world.add(replace(API, command="one")))
    deploy(world.means, world.add(replace(API, command="two")))
    result = deploy(world.means, API, number=1)
    assert outcome(result) == "release 1 runs on legacy, was 2"
    assert world.placed() == [(RuntimeName.LEGACY, 1)]
    assert outcome(deploy(world.means, API)) == "release 3 runs on legacy, was 1"
    with pytest.raises(UsageError, match="no release 9: its newest is 3"):
        deploy(world.means, API, number=9)


def test_a_restart_makes_no_release(world: World) -> None:
    deploy(world.means, world.add())
    (before,) = world.desk.instances("shop/api")
    assert outcome(restart(world.means, API)) == "release 1 runs on legacy"
    (after,) = world.desk.instances("shop/api")
    assert (before.token != after.token, world.means.deploys.next_number("shop/api")) == (True, 2)
    assert world.audit()[-2:] == ["deploy", "restart"]


def test_stop_leaves_nothing_and_start_is_a_deploy(world: World) -> None:
    deploy(world.means, world.add())
    assert [one.release for one in stop(world.means, "shop/api")] == [1]
    assert (world.running(), world.placed(), world.edge.routes, world.names.known) == ([], [], {}, {})
    assert stop(world.means, "shop/api") == ()
    with pytest.raises(UsageError, match="does not run"):
        restart(world.means, API)
    assert outcome(deploy(world.means, API)) == "release 2 runs on legacy"


def test_a_worker_gets_no_route_and_no_name(world: World) -> None:
    deploy(world.means, world.add(replace(API, kind=Kind.WORKER, health_path=None)))
    assert (world.edge.routes, world.names.known) == ({}, {})


def test_a_deploy_with_other_settings_ends_the_block_and_one_without_does_not(world: World) -> None:
    deploy(world.means, world.add())
    with world.database.writing() as session:
        blocks.put(session, "shop/api", "fell back", who="rollout", at=START)
    assert not deploy(world.means, API).unblocked
    assert "shop/api" in world.blocked()
    changed = world.add(replace(API, command="better"))
    result = deploy(world.means, changed)
    assert result.unblocked
    assert "no longer blocked" in outcome(result)
    assert "unblock" in world.audit()


def test_another_old_release_ends_the_block_and_a_restart_does_not(world: World) -> None:
    deploy(world.means, world.add())
    deploy(world.means, API)
    with world.database.writing() as session:
        blocks.put(session, "shop/api", "fell back", who="rollout", at=START)
    assert not restart(world.means, API).unblocked
    assert deploy(world.means, API, number=1).unblocked


def test_in_the_middle_of_a_move_it_waits(world: World) -> None:
    deploy(world.means, world.add())
    with world.database.writing() as session:
        session.add(MoveRow(id="wave-1/shop/api", service="shop/api", wave=1, state="shifting", live=1, seq=1, body={}))
    for verb in (lambda: deploy(world.means, API), lambda: stop(world.means, "shop/api"), lambda: restart(world.means, API)):
        with pytest.raises(WaitingError, match="is shifting"):
            verb()
    assert world.running() == [(1, RuntimeName.LEGACY)]


def test_a_move_that_begins_between_is_seen_under_the_lease(world: World) -> None:
    def begin(service: str, verb: str) -> None:
        with world.database.writing() as session:
            session.add(MoveRow(id="wave-1/shop/api", service="shop/api", wave=1, state="launching", live=1, seq=1, body={}))

    with pytest.raises(WaitingError, match="is launching"):
        deploy(replace(world.means, bring_back=begin), world.add())
    assert world.running() == []


def test_a_service_that_somebody_works_on_is_locked(world: World) -> None:
    world.leases.take("service:shop/api", replace(ANN, user="bob"))
    with pytest.raises(LockedError, match="bob"):
        deploy(world.means, world.add())
    assert world.running() == []


def test_a_deploy_that_was_taken_over_writes_nothing(world: World) -> None:
    deploy(world.means, world.add())

    def take_over() -> None:
        world.clock.sleep(LEASE_S + 1)
        world.leases.take("service:shop/api", replace(ANN, user="bob"))

    world.engine.on_start = take_over
    with pytest.raises(FencedError, match="bob"):
        deploy(world.means, API)
    assert world.placed() == [(RuntimeName.LEGACY, 1)]


@pytest.mark.parametrize(
    ("service", "why"),
    [
        (replace(API, kind=Kind.CRON, cron="* * * * *"), "runs by the clock"),
        (replace(API, port=80, replicas=2), "cannot share the fixed port 80"),
        (replace(API, memory_mb=64), "memory_mb: a limit of memory is kept in containers only"),
        (replace(API, cpus=0.5, pids_max=9), "cpus and pids_max: a limit of processors and a limit of processes is kept"),
        (replace(API, read_only=True), "read_only: a read-only root is kept in containers only"),
        (replace(API, command=None), "neither a command nor an image"),
        (replace(API, command=None, engine=EngineName.MEMORY), "neither a command nor an image"),
        (replace(API, kind=Kind.CRON, cron="* * * * *", engine=EngineName.MEMORY), "runs by the clock"),
    ],
)
def test_what_cannot_be_run_here_is_said_and_nothing_is_recorded(world: World, service: Service, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        deploy(world.means, world.add(service))
    assert (world.placed(), world.running()) == ([], [])


def test_more_than_the_machine_has_is_told_and_deployed_all_the_same(world: World) -> None:
    small = replace(world.means, machine=Machine(memory_mb=1000, cpus=2))
    asks = replace(API, engine=EngineName.MEMORY, memory_mb=1001, cpus=2.5)
    deploy(small, world.add(asks))
    assert world.said == [
        ("shop/api", "its limit of memory, 1001m, is more than this machine has: 1000m"),
        ("shop/api", "its limit of 2.5 processors is more than this machine has: 2"),
    ]
    world.said.clear()
    deploy(small, world.add(replace(asks, memory_mb=1000, cpus=2.0)))
    assert world.said == []
    assert [runtime for runtime, _ in world.placed()] == [RuntimeName.LEGACY]


def test_many_are_deployed_and_the_ones_that_fail_are_told(world: World) -> None:
    others = [world.add(replace(API, name=f"s{n}")) for n in range(3)]
    world.engine.faults["shop/s1", RuntimeName.LEGACY] = Fault(exits=1)
    results = deploy_many(world.means, others, at_once=1)
    assert [(one.service, one.error is None) for one in results] == [("shop/s0", True), ("shop/s1", False), ("shop/s2", True)]
    lines = dict(world.said)
    assert lines["shop/s0"] == "release 1 runs on legacy"
    assert lines["shop/s1"].startswith("failed: ")


def test_every_service_means_each_that_has_something_to_run(world: World) -> None:
    empty, cron = replace(API, name="empty", command=None), replace(API, name="cron", kind=Kind.CRON, cron="* * * * *")
    services = [world.add(one) for one in (empty, API, cron)]
    results = deploy_every(world.means, services, at_once=1)
    assert [one.left_out for one in results] == ["neither a command nor an image", "", "runs by the clock; that is not here yet"]
    assert [one.error for one in results] == [None, None, None]
    assert world.placed() == [(RuntimeName.LEGACY, 1)]
    named = deploy_many(world.means, services, at_once=1)
    assert [one.error is None for one in named] == [False, True, False]


def test_the_memory_engine_needs_no_host_part_and_takes_one_transaction(world: World) -> None:
    def never() -> Live:
        raise AssertionError("a service in memory needs no host part")

    means = replace(world.means, live=never, engine=EngineName.MEMORY)
    many = [replace(API, name=f"s{n}", command=None, image="nginx") for n in range(30)]
    world.services.put(many, who="ann")
    results = deploy_many(means, many)
    assert [one.deployed.release.number for one in results if one.deployed] == [1] * 30
    assert world.placed("shop/s7") == [(RuntimeName.LEGACY, 1)]
    assert outcome(deploy(means, many[7])) == "release 2 runs on legacy, was 1"
    assert [one.release for one in stop(means, "shop/s7")] == [2]
    assert world.desk.instances() == []
