"""The suite of the edge's ports on both implementations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import httpx
import pytest

from rollout.contract.edge import EdgeContract, EdgeWorld, Got
from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.edge.access_log import AccessLog
from rollout.edge.envoy import EnvoyEdge
from rollout.edge.memory import AnsweringEdge
from rollout.edge.samples import LogSamples
from rollout.host.ports import Route
from rollout.host.rooms import Room


class EnvoyWorld:
    """A real Envoy and real copies; answers carry the name of their copy, which is told apart by its address."""

    def __init__(self, running: RunningEdge, copies: Callable[[str], HttpCopy]) -> None:
        self.running = running
        self.samples = LogSamples(AccessLog(running.edge.places.log))
        self._copies = copies
        self._made: list[HttpCopy] = []
        self._clients: dict[str, httpx.Client] = {}

    @property
    def edge(self) -> EnvoyEdge:
        return self.running.edge

    def now(self) -> datetime:
        return datetime.now(UTC)

    def copy(self) -> HttpCopy:
        copy = self._copies("")
        copy.name = copy.address
        self._made.append(copy)
        return copy

    def get(self, host: str) -> Got:
        if host not in self._clients:
            self._clients[host] = self.running.client(host)
        answer = self._clients[host].get("/")
        runtime = answer.headers.get("x-rollout-runtime")
        return Got(status=answer.status_code, runtime=runtime, address=answer.text if runtime else None)

    @contextmanager
    def slow(self, host: str) -> Iterator[None]:
        before = sum(len(copy.seen) for copy in self._made)
        for copy in self._made:
            copy.let_go.clear()
        with self.running.background(host) as answer:
            wait_for(lambda: sum(len(copy.seen) for copy in self._made) > before, "the copy is asked")
            yield
            for copy in self._made:
                copy.let_go.set()
            assert answer.result().status_code == 200

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


class TestEnvoy(EdgeContract):
    @pytest.fixture
    def world(self, plain: RunningEdge, copies: Callable[[str], HttpCopy]) -> Iterator[EdgeWorld]:
        made = EnvoyWorld(plain, copies)
        yield made
        made.close()


@dataclass
class _Copy:
    address: str
    status: int = 200


@dataclass
class MemoryWorld:
    """Everything in memory; the clock stands still but for `now`, which is a little later each time."""

    copies: dict[str, _Copy] = field(default_factory=dict)
    time: datetime = datetime(2026, 1, 5, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.edge = AnsweringEdge(lambda: self.time, Random(7), lambda address: self.copies[address].status)
        self.samples = self.edge

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def copy(self) -> _Copy:
        copy = _Copy(f"127.0.0.1:{20_000 + len(self.copies)}")
        self.copies[copy.address] = copy
        return copy

    def get(self, host: str) -> Got:
        answer = self.edge.send(host)
        return Got(status=answer.status, runtime=answer.runtime, address=answer.address)

    @contextmanager
    def slow(self, host: str) -> Iterator[None]:
        with self.edge.open(host):
            yield


class TestMemory(EdgeContract):
    @pytest.fixture
    def world(self) -> EdgeWorld:
        return MemoryWorld()


def test_in_memory_the_faults_are_those_that_were_set() -> None:
    world = MemoryWorld()
    world.edge.read_fault = OSError(5, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        world.edge.read("shop/api", world.now())


def test_in_memory_a_service_is_found_by_its_address_while_its_room_is_there() -> None:
    world = MemoryWorld()
    here = {"environment": "shop", "address": "fd00::5:0:0:7"}
    world.edge.write(Route(host_name="api.shop.internal", legacy=(world.copy().address,), v2=(), weight=0, **here))
    assert world.edge.ask("fd00::5:0:0:7").status == 404
    world.edge.rooms([Room(environment="shop", path="/run/netns/x", prefix="fd00::/64", dns="fd00::53")])
    assert (world.edge.ask("fd00::5:0:0:7").status, world.edge.ask("fd00::5:0:0:8").status) == (200, 404)
    world.edge.rooms([])
    assert world.edge.ask("fd00::5:0:0:7").status == 404
