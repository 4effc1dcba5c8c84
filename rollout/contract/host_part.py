"""What every host part must keep, whether asked in process or over its socket. Subclass, and give the fixture `rig`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

import pytest

from rollout.contract.engine import until
from rollout.errors import BrokenError, FencedError
from rollout.host.ports import HostPart, InstanceSpec, Phase, Route
from rollout.model.fleet import RuntimeName

SERVICE, NAME = "shop/api", "api.shop.internal"
LEGACY, V2 = RuntimeName.LEGACY, RuntimeName.V2
FENCE = 7


class HostRig(Protocol):
    """A host part without any instance, and the little that the suite must know of what is around it."""

    host: HostPart

    def again(self) -> None:
        """The host part dies without warning; another one is there, in `host`."""

    def spec(
        self, token: str, *, replica: int = 0, runtime: RuntimeName = LEGACY, port_declared: int | None = None
    ) -> InstanceSpec:
        """An instance of SERVICE that listens on PORT until it is stopped."""

    def covered(self, token: str) -> InstanceSpec:
        """An instance of SERVICE on legacy that the private network covers; it runs until it is stopped."""

    def ending(self, token: str) -> InstanceSpec:
        """An instance of SERVICE on legacy that writes `over` and ends with code 7, and never restarts."""

    def resolve(self, name: str) -> tuple[str, int] | None:
        """Where a name leads; None for an unknown one."""

    def route(self) -> Route | None:
        """What the edge knows of NAME."""

    def taken(self) -> AbstractContextManager[tuple[int, str]]:
        """A port that another program listens on meanwhile, and who that is in words."""


class HostPartContract:
    """The port HostPart, method by method."""

    @pytest.fixture
    def rig(self) -> HostRig:
        """The host part under test; the fixture ends all that it runs."""
        raise AssertionError("give the fixture rig")

    def test_hello(self, rig: HostRig) -> None:
        """Who answers, and where edge and names are."""
        assert {"version", "pid", "boot", "edge", "dns"} <= set(rig.host.hello())

    def test_reserve(self, rig: HostRig) -> None:
        """One port for one id, for ever; nothing runs."""
        first = rig.host.reserve(rig.spec("t1"), FENCE)
        assert rig.host.reserve(rig.spec("t1"), FENCE) == first
        assert rig.host.reserve(rig.spec("t1", replica=1), FENCE) != first
        rig.again()
        assert rig.host.reserve(rig.spec("t1"), FENCE) == first
        assert [(one.id, one.facts.phase) for one in rig.host.instances()] == [("t1.0", Phase.GONE), ("t1.1", Phase.GONE)]

    def test_a_declared_port_is_reserved_as_it_is(self, rig: HostRig) -> None:
        """The fixed number of a service is its port."""
        assert rig.host.reserve(rig.spec("t1", port_declared=18091), FENCE) == 18091

    def test_start_once_under_the_reserved_port(self, rig: HostRig) -> None:
        """It listens there, is not attached yet, and a second start changes nothing."""
        port = rig.host.reserve(rig.spec("t1"), FENCE)
        seen = rig.host.start(rig.spec("t1"), FENCE)
        assert (seen.service, seen.facts.phase, seen.address, seen.wanted) == (SERVICE, Phase.RUNNING, "", True)
        until(lambda: [found.port for found in rig.host.listeners("t1.0")] == [port])
        assert rig.host.start(rig.spec("t1"), FENCE).facts.pid == seen.facts.pid
        assert [one.id for one in rig.host.instances(SERVICE)] == ["t1.0"]
        assert list(rig.host.instances("shop/other")) == []

    def test_instances_outlive_the_host_part(self, rig: HostRig) -> None:
        """The same processes, still attached."""
        before = rig.host.start(rig.spec("t1"), FENCE)
        rig.host.attach("t1.0", 5001, "given PORT", FENCE)
        rig.again()
        after = rig.host.instances(SERVICE)[0]
        assert (after.facts.pid, after.facts.started) == (before.facts.pid, before.facts.started)
        assert (after.address, after.note) == ("127.0.0.1:5001", "given PORT")
        assert rig.host.start(rig.spec("t1"), FENCE).facts.pid == before.facts.pid

    def test_its_own_end_is_told(self, rig: HostRig) -> None:
        """Code and last lines."""
        rig.host.start(rig.ending("t1"), FENCE)
        until(lambda: rig.host.instances(SERVICE)[0].facts.phase is Phase.EXITED)
        assert rig.host.instances(SERVICE)[0].facts.exit_code == 7
        assert list(rig.host.tail("t1.0", 3)) == ["over"]

    def test_names_and_edge_follow_attachments(self, rig: HostRig) -> None:
        """Side, replica and launch have names of their own; the service's own leads to the edge once it is weighed."""
        rig.host.start(rig.spec("t1"), FENCE)
        rig.host.attach("t1.0", 5001, "", FENCE)
        assert rig.resolve(f"legacy.{NAME}") == ("127.0.0.1", 5001)
        assert rig.resolve("t1") == ("127.0.0.1", 5001)
        assert rig.resolve(NAME) is None
        assert rig.route() is None
        rig.host.weigh(SERVICE, NAME, 0, FENCE)
        assert rig.resolve(NAME) is not None
        rig.host.start(rig.spec("t2", runtime=V2), FENCE)
        rig.host.attach("t2.0", 5002, "", FENCE)
        rig.host.weigh(SERVICE, NAME, 30, FENCE)
        assert rig.route() == Route(
            host_name=NAME, legacy=("127.0.0.1:5001",), v2=("127.0.0.1:5002",), weight=30, environment="shop"
        )
        rig.host.detach("t1.0", FENCE)
        assert rig.resolve(f"legacy.{NAME}") is None
        assert rig.resolve(f"v2.{NAME}") == ("127.0.0.1", 5002)
        route = rig.route()
        assert route is not None
        assert (route.legacy, route.weight) == ((), 30)

    def test_join_before_the_start(self, rig: HostRig) -> None:
        """It has its own addresses, and leads there, before it runs; the service has one that stays; nothing after its stop."""
        port = rig.host.reserve(rig.covered("t1"), FENCE)
        rig.host.join("t1.0", FENCE)
        rig.host.join("t1.0", FENCE)
        rig.host.attach("t1.0", port, "reserved", FENCE)
        rig.host.weigh(SERVICE, NAME, 0, FENCE)
        (seen,) = rig.host.instances(SERVICE)
        assert (seen.facts.phase, seen.apart, len(seen.own)) == (Phase.GONE, True, 2)
        assert (seen.address, rig.resolve(f"legacy.{NAME}")) == (f"[{seen.own[0]}]:{port}", (seen.own[0], port))
        place, route = rig.resolve(NAME), rig.route()
        assert place is not None
        assert route is not None
        assert (route.address, route.legacy) == (place[0], (seen.address,))
        after = rig.host.start(rig.covered("t1"), FENCE)
        assert (after.facts.phase, after.own) == (Phase.RUNNING, seen.own)
        rig.again()
        assert rig.host.instances(SERVICE)[0].own == seen.own
        rig.host.stop("t1.0", 1.0, FENCE)
        assert rig.host.instances(SERVICE)[0].own == ()
        assert rig.resolve(f"legacy.{NAME}") is None

    def test_join_afterwards(self, rig: HostRig) -> None:
        """It runs apart from everything until then."""
        before = rig.host.start(rig.covered("t1"), FENCE)
        assert (before.apart, before.own) == (True, ())
        rig.host.join("t1.0", FENCE)
        (seen,) = rig.host.instances(SERVICE)
        assert (len(seen.own), seen.facts.pid) == (2, before.facts.pid)

    def test_in_networks_of_their_own_copies_do_not_fight_for_ports(self, rig: HostRig) -> None:
        """The same declared number for both, whoever has it on the host."""
        with rig.taken() as (port, _):
            for token in ("t1", "t2"):
                assert rig.host.reserve(replace(rig.covered(token), port_declared=port), FENCE) == port
                assert rig.host.start(rig.covered(token), FENCE).facts.phase is Phase.RUNNING
            assert rig.host.stranger(SERVICE, port) == ""

    def test_join_changes_nothing_where_there_is_no_private_network(self, rig: HostRig) -> None:
        """Before and after the start."""
        rig.host.reserve(rig.spec("t1"), FENCE)
        rig.host.join("t1.0", FENCE)
        rig.host.start(rig.spec("t1"), FENCE)
        rig.host.join("t1.0", FENCE)
        rig.host.attach("t1.0", 5001, "", FENCE)
        (seen,) = rig.host.instances(SERVICE)
        assert (seen.address, seen.apart, seen.own) == ("127.0.0.1:5001", False, ())

    def test_a_copy_can_be_named_without_traffic(self, rig: HostRig) -> None:
        """For a deploy that proves the new copy first."""
        rig.host.weigh(SERVICE, NAME, 0, FENCE)
        rig.host.start(rig.spec("t1"), FENCE)
        rig.host.attach("t1.0", 5001, "", FENCE, traffic=False)
        assert rig.resolve(f"legacy.{NAME}") == ("127.0.0.1", 5001)
        route = rig.route()
        assert route is not None
        assert route.legacy == ()

    def test_stop_withdraws_and_ends(self, rig: HostRig) -> None:
        """Nothing leads to it, nothing of it runs; it can be started anew, or forgotten."""
        rig.host.weigh(SERVICE, NAME, 0, FENCE)
        before = rig.host.start(rig.spec("t1"), FENCE)
        rig.host.attach("t1.0", 5001, "", FENCE)
        with pytest.raises(BrokenError):
            rig.host.forget("t1.0", FENCE)
        rig.host.stop("t1.0", 2.0, FENCE)
        rig.host.stop("t1.0", 2.0, FENCE)
        seen = rig.host.instances(SERVICE)[0]
        assert (seen.facts.phase, seen.address, seen.wanted) == (Phase.GONE, "", False)
        assert rig.resolve("t1") is None
        again = rig.host.start(rig.spec("t1"), FENCE)
        assert again.facts.pid not in {None, before.facts.pid}
        rig.host.stop("t1.0", 2.0, FENCE)
        rig.host.forget("t1.0", FENCE)
        rig.host.forget("t1.0", FENCE)
        assert list(rig.host.instances()) == []

    def test_withdraw(self, rig: HostRig) -> None:
        """The edge does not know the service, nor does anybody who asks for its name."""
        rig.host.weigh(SERVICE, NAME, 0, FENCE)
        rig.host.withdraw(SERVICE, FENCE)
        rig.host.withdraw(SERVICE, FENCE)
        assert rig.route() is None
        assert rig.resolve(NAME) is None

    def test_a_lower_fence_changes_nothing(self, rig: HostRig) -> None:
        """Also when the host part was another one when the higher number came."""
        before = rig.host.start(rig.spec("t1"), FENCE)
        rig.host.attach("t1.0", 5001, "", FENCE)
        rig.host.weigh(SERVICE, NAME, 10, FENCE)
        rig.again()
        for change in self._changes(rig, FENCE - 1):
            with pytest.raises(FencedError, match=f"{SERVICE}: taken over by lease {FENCE}"):
                change()
        assert [(one.id, one.facts.pid, one.address) for one in rig.host.instances()] == [
            ("t1.0", before.facts.pid, "127.0.0.1:5001")
        ]
        route = rig.route()
        assert route is not None
        assert route.weight == 10

    @staticmethod
    def _changes(rig: HostRig, fence: int) -> list[Callable[[], object]]:
        return [
            lambda: rig.host.reserve(rig.spec("t2"), fence),
            lambda: rig.host.start(rig.spec("t2"), fence),
            lambda: rig.host.start(rig.spec("t1"), fence),
            lambda: rig.host.join("t1.0", fence),
            lambda: rig.host.attach("t1.0", 5009, "", fence),
            lambda: rig.host.detach("t1.0", fence),
            lambda: rig.host.follow("t1.0", fence),
            lambda: rig.host.stop("t1.0", 1.0, fence),
            lambda: rig.host.forget("t1.0", fence),
            lambda: rig.host.weigh(SERVICE, NAME, 90, fence),
            lambda: rig.host.withdraw(SERVICE, fence),
        ]

    def test_a_higher_fence_takes_over(self, rig: HostRig) -> None:
        """And another service is not concerned."""
        rig.host.weigh(SERVICE, NAME, 10, FENCE)
        rig.host.weigh(SERVICE, NAME, 20, FENCE + 1)
        with pytest.raises(FencedError):
            rig.host.weigh(SERVICE, NAME, 10, FENCE)
        rig.host.weigh("shop/other", "other.shop.internal", 10, FENCE)

    def test_a_stranger_on_a_port(self, rig: HostRig) -> None:
        """A copy of the service is none, whoever else listens is; nobody listens on a free port."""
        port = rig.host.reserve(rig.spec("t1"), FENCE)
        assert rig.host.stranger(SERVICE, port) == ""
        rig.host.start(rig.spec("t1"), FENCE)
        until(lambda: [found.port for found in rig.host.listeners("t1.0")] == [port])
        assert rig.host.stranger(SERVICE, port) == ""
        with rig.taken() as (other, holder):
            assert rig.host.stranger(SERVICE, other) == holder

    def test_an_unknown_instance(self, rig: HostRig) -> None:
        """Leading to it is an error; ending it is not."""
        with pytest.raises(BrokenError):
            rig.host.attach("no.0", 1, "", FENCE)
        with pytest.raises(BrokenError):
            rig.host.follow("no.0", FENCE)
        with pytest.raises(BrokenError):
            rig.host.join("no.0", FENCE)
        rig.host.detach("no.0", FENCE)
        rig.host.stop("no.0", 1.0, FENCE)
        rig.host.forget("no.0", FENCE)
        assert list(rig.host.tail("no.0", 5)) == []
        assert list(rig.host.listeners("no.0")) == []
        assert rig.host.in_flight(SERVICE, V2) == 0
