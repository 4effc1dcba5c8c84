"""What a neighbour holds while a service moves from legacy to v2: real network, edge and runtimes; programs are threads in there.

Time is virtual: nobody waits for a drain's limit. What happens meanwhile happens at one of the looks of whoever drains.
"""

import http.client
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge
from rollout.executor.memory import VirtualClock
from rollout.executor.ports import Order
from rollout.host.desk import Desk, Doers
from rollout.host.joining import ALONE
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryPorts
from rollout.host.ports import InstanceFacts, InstanceSpec, Listener
from rollout.host.rooms import Rooms
from rollout.model.fleet import EngineName, Kind, Release, RuntimeName, Service, Tier
from rollout.network.inside import inside
from rollout.network.mesh.mesh import Mesh
from rollout.network.names import NamesFolder, find
from rollout.runtimes.engines.memory import MemoryEngine
from rollout.runtimes.keeping import Keeping
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from tests.network.mesh.mesh_rigs import alone, connect, echo, instance, says, talk, until

LEGACY, NEW = RuntimeName.LEGACY, RuntimeName.V2
SERVICE, NAME, FENCE = "shop/api", "api.shop.internal", 1
TOKENS = {LEGACY: "t1", NEW: "t2"}
DRAINING_S = 0.3


class Bodies(MemoryEngine):
    """Programs that listen in their networks: `http` answers its runtime, `tcp` says back what it hears."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self.copies: dict[RuntimeName, HttpCopy] = {}
        self.stopped: list[str] = []
        self.where = "::"
        self._stack = stack
        self._bodies: dict[str, ExitStack] = {}

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        facts = super().start(spec)
        if spec.id not in self._bodies:
            body = self._bodies[spec.id] = self._stack.enter_context(ExitStack())
            path = spec.network
            if path == ALONE:
                pid = body.enter_context(alone())
                path = f"/proc/{pid}/ns/net"
                facts = self._programs[spec.id].facts = replace(facts, pid=pid)
            self._listen(body, path, spec)
        return facts

    def _listen(self, body: ExitStack, path: str, spec: InstanceSpec) -> None:
        if spec.direct:
            body.enter_context(echo(path, self.where, spec.port))
            return
        with inside(path):
            copy = self.copies[spec.runtime] = HttpCopy(str(spec.runtime), ("::", spec.port))
        body.callback(copy.end)

    def stop(self, instance: str, grace_s: float) -> None:
        self.stopped.append(instance)
        super().stop(instance, grace_s)
        if body := self._bodies.pop(instance, None):
            body.close()

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        return [replace(one, address=self.where, loopback=False) for one in super().listeners(pids)]


class Looks(VirtualClock):
    """Time that leaps; at the looks of whoever drains something may happen (`at`: number of the look, and what)."""

    def __init__(self) -> None:
        super().__init__(datetime(2024, 6, 4, tzinfo=UTC))
        self.at: dict[int, Callable[[], object]] = {}
        self.looks = 0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.looks += 1
        if act := self.at.get(self.looks):
            act()


class World:
    """A home with one service, and a neighbour that has asked for its name once."""

    def __init__(self, folder: Path, mesh: Mesh, stack: ExitStack) -> None:
        self.mesh, self.clock, self.engine = mesh, Looks(), Bodies(stack)
        edge = stack.enter_context(RunningEdge(folder / "edge"))
        rooms = Rooms(folder / "host/rooms")
        self.names = NamesFolder(folder / "names", "127.0.0.1:1")
        doers = Doers(
            engine=self.engine,
            edge=edge.edge,
            names=self.names,
            watch=self.engine,
            ports=MemoryPorts(),
            network=mesh,
            rooms=rooms.all,
        )
        self.desk = Desk(Ledger(folder / "ledger"), doers)
        self.client = mesh.prepare(instance("client", "shop/client"))

    def order(self, runtime: RuntimeName, kind: Kind) -> Order:
        spec = Service(
            name="api",
            environment="shop",
            customer="acme",
            tier=Tier.TRIAL,
            image="api:1",
            engine=EngineName.DOCKER,
            kind=kind,
            draining_s=DRAINING_S,
        )
        release = Release(service=SERVICE, number=1, created=self.clock.now(), created_by="ann", spec=spec)
        return Order(release=release, runtime=runtime, token=TOKENS[runtime], fence=FENCE, deadline_s=5.0)

    def runtime(self, name: RuntimeName) -> Keeping:
        return Legacy(self.desk, self.clock) if name is LEGACY else V2(self.desk, self.clock, lambda *_: True)

    def launch(self, runtime: RuntimeName, kind: Kind) -> None:
        self.runtime(runtime).launch(self.order(runtime, kind))

    def stop_legacy(self, kind: Kind) -> float:
        """How long it took."""
        began, self.clock.looks = self.clock.now(), 0
        self.runtime(LEGACY).stop(self.order(LEGACY, kind))
        return (self.clock.now() - began).total_seconds()

    def place(self) -> str:
        """What the name leads to."""
        found = find(self.names.folder, NAME)
        assert found is not None
        return found.address


@pytest.fixture
def world(mesh: Mesh, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, mesh, stack)


class Kept:
    """Asks on one connection, that nobody may close; the answers until the block ends, where any error fails."""

    def __init__(self, line: socket.socket) -> None:
        self._http = http.client.HTTPConnection(NAME)
        self._http.sock, self._http.auto_open = line, False  # type: ignore[assignment]  # typeshed: a number
        self.answers: list[str] = []
        self.failed: list[BaseException] = []
        self._ended = Event()
        self._thread = Thread(target=self._run)

    def once(self) -> str:
        self._http.request("GET", "/")
        answer = self._http.getresponse()
        assert (answer.status, answer.getheader("connection")) == (200, None)
        return answer.read().decode()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self.answers.append(self.once())
        except (AssertionError, OSError, http.client.HTTPException) as error:
            self.failed.append(error)

    def __enter__(self) -> "Kept":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._http.close()
        assert self.failed == []

    def come(self, *texts: str) -> None:
        """From now on all these answers come, and no other."""
        before = len(self.answers)
        until(lambda: (len(self.answers) > before + 20 and {*self.answers[before + 1 :]} == {*texts}) or self.failed)


def dead(line: socket.socket) -> bool:
    """Nobody answers on it any more."""
    try:
        return says(line, b"three") != b"three"
    except OSError:
        return True


@pytest.mark.timeout(120)
def test_a_kept_http_connection_never_notices(world: World) -> None:
    world.launch(LEGACY, Kind.HTTP)
    world.desk.weigh(SERVICE, NAME, 0, FENCE)
    address = world.place()
    with Kept(connect(world.client.namespace, address, 80)) as kept:
        kept.come("legacy")
        world.launch(NEW, Kind.HTTP)
        for weight, texts in ((50, ("legacy", "v2")), (100, ("v2",))):
            world.desk.weigh(SERVICE, NAME, weight, FENCE)
            kept.come(*texts)
        assert world.stop_legacy(Kind.HTTP) < DRAINING_S
        assert world.engine.stopped == ["t1.0"]
        kept.come("v2")
    assert {"legacy", "v2"} == set(kept.answers)
    assert world.place() == address


@pytest.mark.timeout(120)
def test_a_request_that_is_being_answered_is_waited_for(world: World) -> None:
    world.launch(LEGACY, Kind.HTTP)
    world.desk.weigh(SERVICE, NAME, 0, FENCE)
    world.launch(NEW, Kind.HTTP)
    slow = world.engine.copies[LEGACY]
    slow.let_go.clear()
    with Kept(connect(world.client.namespace, world.place(), 80)) as kept:
        until(lambda: slow.seen)
        world.desk.weigh(SERVICE, NAME, 100, FENCE)
        world.clock.at[3] = slow.let_go.set
        assert world.stop_legacy(Kind.HTTP) < DRAINING_S
        assert world.clock.looks >= 3
        kept.come("v2")
    assert kept.answers[0] == "legacy"
    assert "legacy" not in kept.answers[1:]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("where", "sign"), [("::", ":"), ("0.0.0.0", ".")])
def test_a_held_tcp_connection_is_waited_for_until_it_ends(world: World, where: str, sign: str) -> None:
    """Also where the program listens on IPv4 alone: the address that its name leads to stays."""
    world.engine.where = where
    world.launch(LEGACY, Kind.TCP)
    world.desk.weigh(SERVICE, NAME, 0, FENCE)
    address, path = world.place(), world.client.namespace
    assert sign in address
    held = connect(path, address, 6379)
    assert says(held, b"one") == b"one"
    world.launch(NEW, Kind.TCP)
    world.desk.weigh(SERVICE, NAME, 100, FENCE)
    assert world.place() == address
    assert talk(path, address, 6379) == b"hello"
    assert (world.desk.in_flight(SERVICE, LEGACY), world.desk.in_flight(SERVICE, NEW)) == (1, 0)
    world.clock.at = {2: lambda: alive.append(says(held, b"two")), 4: held.close}
    alive: list[bytes] = []
    assert world.stop_legacy(Kind.TCP) < DRAINING_S
    assert alive == [b"two"], "it goes on while it is drained"
    assert world.clock.looks >= 4
    assert world.engine.stopped == ["t1.0"]
    assert talk(path, address, 6379) == b"hello"


@pytest.mark.timeout(120)
def test_a_held_tcp_connection_is_waited_for_until_the_limit_and_no_longer(world: World) -> None:
    world.launch(LEGACY, Kind.TCP)
    world.desk.weigh(SERVICE, NAME, 0, FENCE)
    address, path = world.place(), world.client.namespace
    with connect(path, address, 6379, limit_s=1.0) as held:
        assert says(held, b"one") == b"one"
        world.launch(NEW, Kind.TCP)
        world.desk.weigh(SERVICE, NAME, 100, FENCE)
        world.clock.at[1] = lambda: world.engine.stopped.append("looked")
        assert DRAINING_S <= world.stop_legacy(Kind.TCP) < 2 * DRAINING_S
        assert world.engine.stopped == ["looked", "t1.0"]
        assert dead(held)
        assert talk(path, address, 6379) == b"hello"
    assert world.desk.in_flight(SERVICE, LEGACY) == 0
