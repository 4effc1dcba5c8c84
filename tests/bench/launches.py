"""One launch watched from outside: when its name led somewhere, when its network answered, when it was reached by whom."""

import contextlib
import http.client
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rollout.errors import RolloutError
from rollout.executor.ports import Order, Runtime
from rollout.host.client import Client
from rollout.host.ports import Attached
from rollout.host.rooms import Rooms
from rollout.model.fleet import EngineName, Release, RuntimeName, Service, Tier
from rollout.network.inside import inside
from rollout.wiring.clock import SystemClock
from rollout.wiring.home import Home
from rollout.wiring.host import down, host_part
from rollout.wiring.host_desk import asker
from rollout.wiring.host_desk import rooms as rooms_of
from rollout.wiring.live import runtimes
from tests.runtimes.engines.real_engines import RealEngine, image, temporary_folder

IMAGE = "rollout-bench:1"
SCRIPT = """a=$EPOCHREALTIME
echo "$a" >/www/index.html
echo " $EPOCHREALTIME" >>/www/index.html
exec httpd -f -p "$PORT" -h /www
"""
"""Writes when its first instruction ran, and the moment just before the program that listens takes its place."""
PAUSE_S, LIMIT_S = 0.003, 30.0
ENGINE = {RuntimeName.LEGACY: EngineName.DOCKER, RuntimeName.V2: EngineName.PODMAN}
ENVIRONMENT = "shop"
AT_ONCE = 4
PORT = 8080
"""What a container is told to listen on."""


@dataclass(kw_only=True)
class Launch:
    """Seconds since the epoch. `instruction`, `listens`: by the workload itself. `named`: a neighbour was told its address.
    `reached`: its own network answered the neighbour, be it by a refusal. `routed`: HTTP through the edge. A figure is taken when
    the answer is there, never earlier."""

    began: float = 0.0
    named: float = 0.0
    reached: float = 0.0
    routed: float = 0.0
    instruction: float = 0.0
    listens: float = 0.0

    @property
    def discoverable_ms(self) -> float:
        return (max(self.named, self.reached) - self.instruction) * 1e3

    @property
    def routed_ms(self) -> float:
        return (self.routed - self.listens) * 1e3

    @property
    def launch_ms(self) -> float:
        return (self.routed - self.began) * 1e3


@dataclass
class Stage:
    """A home with its host part as a process of its own, edge, names and private network, beside both engines."""

    home: Home
    client: Client
    rooms: Rooms
    runtimes: dict[RuntimeName, Runtime]
    neighbour: str = ""
    orders: list[Order] = field(default_factory=list)

    def order(self, name: str, runtime: RuntimeName, script: str = SCRIPT, **more: object) -> Order:
        spec = Service(
            name=name, environment=ENVIRONMENT, customer="acme", tier=Tier.TRIAL, image=IMAGE, engine=ENGINE[runtime],
            command=("/bin/sh", "-c", script), draining_s=1.0,
        )  # fmt: skip
        spec = replace(spec, **more)  # type: ignore[arg-type]  # fields of Service by name
        release = Release(service=spec.id, number=1, created=datetime.now(UTC), created_by="ann", spec=spec)
        return Order(release=release, runtime=runtime, token=f"t.{name}", fence=1, deadline_s=30.0)

    def published(self, order: Order) -> Attached:
        self.runtimes[order.runtime].publish(order)
        self.orders.append(order)
        return self.instance(order)

    def bring(self, order: Order) -> None:
        self.published(order)
        self.runtimes[order.runtime].launch(order)

    def drop(self, order: Order) -> None:
        self.runtimes[order.runtime].stop(order)
        self.runtimes[order.runtime].unpublish(order)
        if order in self.orders:
            self.orders.remove(order)

    def instance(self, order: Order) -> Attached:
        return next(one for one in self.client.instances(order.service) if one.token == order.token)

    def watched(self, order: Order) -> Launch:
        """It has been launched, with three that watch: names and network, its own address, and the edge."""
        self.published(order)
        share = 100 if order.runtime is RuntimeName.V2 else 0
        self.client.weigh(order.service, order.release.spec.host_name, share, order.fence)
        found = Launch()
        own = _Own(lambda: self.client.instances(order.service))
        looks = (
            lambda: self._named(order, found),
            lambda: self._reached(own, found),
            lambda: self._routed(order, found),
        )
        problems: list[BaseException] = []
        threads = [threading.Thread(target=_told, args=(look, problems)) for look in looks]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        found.began = time.time()
        try:
            self.runtimes[order.runtime].launch(order)
        finally:
            for thread in threads:
                thread.join()
        if problems:
            raise problems[0]
        return found

    def _named(self, order: Order, found: Launch) -> None:
        room = self.rooms.find(ENVIRONMENT)
        assert room is not None
        with inside(self.neighbour):
            line = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        line.settimeout(1.0)
        with line:
            _until(lambda: _resolves(line, room.dns, f"{order.runtime}.{order.release.spec.host_name}"))
        found.named = time.time()

    def _reached(self, own: "_Own", found: Launch) -> None:
        _until(lambda: own.address() and knocks(self.neighbour, own.address(), 9))
        found.reached = time.time()

    def _routed(self, order: Order, found: Launch) -> None:
        host, _, port = self.client.hello()["edge"].rpartition(":")
        body: list[bytes] = []
        edge = http.client.HTTPConnection(host, int(port), timeout=5)

        def answers() -> bool:
            edge.request("GET", "/", headers={"Host": order.release.spec.host_name})
            reply = edge.getresponse()
            body[:] = [reply.read()]
            return reply.status == 200

        with contextlib.closing(edge):
            _until(answers)
        found.routed = time.time()
        found.instruction, found.listens = map(float, body[0].split())


class _Own:
    """The address of an instance, asked for until it has one."""

    def __init__(self, ask: Callable[[], Sequence[Attached]]) -> None:
        self._ask, self._found = ask, ""

    def address(self) -> str:
        if not self._found:
            self._found = next((one.own[0] for one in self._ask() if one.own), "")
        return self._found


def _told(act: Callable[[], object], problems: list[BaseException]) -> None:
    try:
        act()
    except BaseException as error:
        problems.append(error)


def _until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(PAUSE_S)


def _resolves(line: socket.socket, server: str, name: str) -> bool:
    words = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    line.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + words + b"\0" + struct.pack(">2H", 28, 1), (server, 53))
    try:
        said = line.recv(2000)
    except OSError:
        return False
    return struct.unpack(">H", said[6:8])[0] > 0


def knocks(namespace: str, address: str, port: int) -> bool:
    """Its network answers: it takes the connection, or refuses it. No answer in 0.2 s is none."""
    with inside(namespace):
        line = socket.socket(socket.AF_INET6)
    with line:
        line.settimeout(0.2)
        try:
            line.connect((address, port))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


def asks(namespace: str, address: str, port: int) -> bool:
    """HTTP is answered there."""
    with inside(namespace):
        line = socket.socket(socket.AF_INET6)
    with line:
        line.settimeout(0.5)
        try:
            line.connect((address, port))
            line.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return line.recv(100).startswith(b"HTTP/1.")
        except OSError:
            return False


def until_answered(namespace: str, address: str, launch: Callable[[], object]) -> float:
    """Milliseconds from the launch until HTTP is answered there; looking began before."""
    answered: list[float] = []

    def look() -> None:
        _until(lambda: asks(namespace, address, PORT))
        answered.append(time.time())

    looking = threading.Thread(target=look)
    looking.start()
    time.sleep(0.05)
    began = time.time()
    try:
        launch()
    finally:
        looking.join()
    return (answered[0] - began) * 1e3


@contextmanager
def stage(docker: RealEngine, podman: RealEngine) -> Iterator[Stage]:
    """Of which nothing is left afterwards."""
    archive = image(IMAGE, {"StopSignal": "SIGKILL"})
    for engine in (docker, podman):
        engine.load(archive)
        os.environ.update(engine.environment)
    with temporary_folder("rollout-bench-") as folder:
        home = Home(folder / "home")
        home.path.mkdir(mode=0o700)
        client = host_part(home, store=False)
        made = Stage(home, client, rooms_of(home.path), dict(runtimes(client, SystemClock(), asker(home.path))))
        try:
            first = made.order("neighbour", RuntimeName.V2)
            made.bring(first)
            made.neighbour = f"/proc/{made.instance(first).facts.pid}/ns/net"
            yield made
        finally:
            _ended(made)


def _ended(made: Stage) -> None:
    """`down` leaves containers that it stopped for the next `up`: each is forgotten before."""

    def drop(order: Order) -> None:
        with contextlib.suppress(RolloutError):
            made.drop(order)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(drop, list(made.orders)))
    finally:
        down(made.home)
