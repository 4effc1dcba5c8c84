"""What every edge must do. An author of an adapter subclasses `EdgeContract` and gives the fixture `world`.

    class TestMyEdge(EdgeContract):
        @pytest.fixture
        def world(self) -> Iterator[EdgeWorld]: ...

Each test uses host names of its own, so that one world may serve them all.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Protocol

import pytest

from rollout.errors import UsageError
from rollout.gates.ports import Samples
from rollout.host.ports import EdgeWriter, Route
from rollout.host.rooms import Room
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample

LIMIT_S = 10.0
L, V = RuntimeName.LEGACY, RuntimeName.V2
_numbers = count(1)


class EdgeCopy(Protocol):
    """A copy behind the edge. It answers with `status`."""

    status: int

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a client got: the status, the side that the edge names, the address of the copy that answered."""

    status: int
    runtime: str | None
    address: str | None


class EdgeWorld(Protocol):
    """An edge without second tries, copies behind it, and a client in front of it."""

    @property
    def edge(self) -> EdgeWriter:
        """What is tested."""

    @property
    def samples(self) -> Samples:
        """What is tested, as an instrument."""

    def now(self) -> datetime:
        """The time by which `samples` counts."""

    def copy(self) -> EdgeCopy:
        """A new copy that answers 200."""

    def get(self, host: str) -> Got:
        """One request, answered."""

    def slow(self, host: str) -> AbstractContextManager[None]:
        """One request that has reached its copy and is answered when the block ends."""


class EdgeContract:
    """The suite."""

    @pytest.fixture
    def service(self) -> str:
        """Id of a service that no other test knows."""
        return f"contract/s{next(_numbers)}"

    def test_an_unknown_name_is_404(self, world: EdgeWorld, service: str) -> None:
        assert world.get(_host(service)).status == 404

    @pytest.mark.parametrize(("weight", "low", "high"), [(0, 0, 0), (50, 20, 80), (100, 100, 100)])
    def test_the_weight_is_v2s_share(self, world: EdgeWorld, service: str, weight: int, low: int, high: int) -> None:
        legacy, v2 = _both(world, service, weight)
        found = _get(world, service, 100)
        assert low <= found[200, "v2", v2.address] <= high
        assert found.total() == found[200, "v2", v2.address] + found[200, "legacy", legacy.address]

    @pytest.mark.parametrize("weight", [0, 50, 100])
    def test_a_side_without_copies_leaves_all_to_the_other(self, world: EdgeWorld, service: str, weight: int) -> None:
        copy = world.copy()
        for runtime, legacy, v2 in [("legacy", (copy.address,), ()), ("v2", (), (copy.address,))]:
            world.edge.write(Route(host_name=_host(service), legacy=legacy, v2=v2, weight=weight))
            assert _get(world, service, 10) == {(200, runtime, copy.address): 10}

    def test_a_service_without_copies_is_503(self, world: EdgeWorld, service: str) -> None:
        world.edge.write(Route(host_name=_host(service), legacy=(), v2=(), weight=50))
        assert world.get(_host(service)).status == 503

    def test_the_last_write_holds_at_once(self, world: EdgeWorld, service: str) -> None:
        one, other = world.copy(), world.copy()
        for number in range(20):
            copy = (one, other)[number % 2]
            world.edge.write(Route(host_name=_host(service), legacy=(copy.address,), v2=(), weight=0))
            assert world.get(_host(service)).address == copy.address

    def test_a_removed_service_is_404_and_removing_is_idempotent(self, world: EdgeWorld, service: str) -> None:
        _both(world, service, 50)
        world.edge.remove(_host(service))
        world.edge.remove(_host(service))
        assert world.get(_host(service)).status == 404

    def test_replicas_share(self, world: EdgeWorld, service: str) -> None:
        copies = [world.copy() for _ in range(3)]
        world.edge.write(Route(host_name=_host(service), legacy=(), v2=tuple(c.address for c in copies), weight=100))
        found = _get(world, service, 90)
        assert all(found[200, "v2", copy.address] >= 10 for copy in copies)

    @pytest.mark.parametrize(("weight", "address"), [(101, "127.0.0.1:1"), (-1, "127.0.0.1:1"), (0, "nowhere"), (0, "a b")])
    def test_a_route_that_makes_no_sense_is_refused(self, world: EdgeWorld, service: str, weight: int, address: str) -> None:
        with pytest.raises(UsageError):
            world.edge.write(Route(host_name=_host(service), legacy=(address,), v2=(), weight=weight))
        assert world.get(_host(service)).status == 404

    def test_rooms_change_nothing_for_those_outside(self, world: EdgeWorld, service: str) -> None:
        legacy, _ = _both(world, service, 0)
        gone = Room(environment="gone", path="/nowhere/at/all", prefix="fd00:0:0:1::/64", dns="fd00:0:0:1::53")
        for rooms in ([], [gone], [gone], []):
            world.edge.rooms(rooms)
            assert _get(world, service, 5) == {(200, "legacy", legacy.address): 5}

    def test_its_address_never_changes(self, world: EdgeWorld) -> None:
        host, _, port = world.edge.address().rpartition(":")
        assert host
        assert port.isdecimal()
        assert world.edge.address() == world.edge.address()

    def test_a_request_is_in_flight_until_it_is_answered(self, world: EdgeWorld, service: str) -> None:
        legacy, v2 = _both(world, service, 0)
        with world.slow(_host(service)):
            assert world.edge.in_flight([legacy.address]) == 1
            assert world.edge.in_flight([v2.address]) == 0
            world.edge.write(Route(host_name=_host(service), legacy=(legacy.address,), v2=(v2.address,), weight=100))
            assert world.edge.in_flight([legacy.address, v2.address]) == 1
        _until(lambda: world.edge.in_flight([legacy.address, v2.address]) == 0)

    def test_a_v2_copy_that_fails_three_times_loses_its_traffic(self, world: EdgeWorld, service: str) -> None:
        legacy, v2 = _both(world, service, 100)
        v2.status = 500
        found = _get(world, service, 30)
        assert 3 <= found[500, "v2", v2.address] <= 4
        assert found[200, "legacy", legacy.address] == 30 - found[500, "v2", v2.address]

    def test_a_broken_replica_loses_its_traffic_to_the_others(self, world: EdgeWorld, service: str) -> None:
        legacy, good, bad = world.copy(), world.copy(), world.copy()
        both = (good.address, bad.address)
        world.edge.write(Route(host_name=_host(service), legacy=(legacy.address,), v2=both, weight=100))
        bad.status = 503
        _get(world, service, 40)
        assert _get(world, service, 10) == {(200, "v2", good.address): 10}

    def test_samples_add_up_to_what_was_sent(self, world: EdgeWorld, service: str) -> None:
        legacy, v2 = _both(world, service, 50)
        _get(world, service, 5)
        began = world.now()
        found = _get(world, service, 40)
        sent = {L: found[200, "legacy", legacy.address], V: found[200, "v2", v2.address]}
        _until(lambda: {side: s.requests for side, s in world.samples.read(service, began).items()} == sent)
        assert all(s.errors == s.retried == s.shed == 0 for s in world.samples.read(service, began).values())

    def test_samples_tell_errors_and_what_was_taken_from_v2(self, world: EdgeWorld, service: str) -> None:
        _, v2 = _both(world, service, 100)
        began = world.now()
        v2.status = 500
        found = Counter(runtime for (_, runtime, _), n in _get(world, service, 20).items() for _ in range(n))

        def numbers(sample: Sample) -> tuple[int, int, int]:
            return sample.requests, sample.errors, sample.shed

        wanted = {L: (found["legacy"], 0, 0), V: (found["v2"], found["v2"], found["legacy"])}
        _until(lambda: {side: numbers(s) for side, s in world.samples.read(service, began).items()} == wanted)

    def test_a_service_without_requests_has_zeros_on_both_sides(self, world: EdgeWorld, service: str) -> None:
        assert world.samples.read(service, world.now()) == {side: Sample(runtime=side) for side in RuntimeName}


def _host(service: str) -> str:
    environment, _, name = service.partition("/")
    return f"{name}.{environment}.internal"


def _both(world: EdgeWorld, service: str, weight: int) -> tuple[EdgeCopy, EdgeCopy]:
    legacy, v2 = world.copy(), world.copy()
    world.edge.write(Route(host_name=_host(service), legacy=(legacy.address,), v2=(v2.address,), weight=weight))
    return legacy, v2


def _get(world: EdgeWorld, service: str, number: int) -> Counter[tuple[int, str | None, str | None]]:
    found = [world.get(_host(service)) for _ in range(number)]
    return Counter((got.status, got.runtime, got.address) for got in found)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s"
        time.sleep(0.01)
