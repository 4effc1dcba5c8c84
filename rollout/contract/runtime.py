"""What every runtime keeps, on every engine. Authors of a runtime: subclass `RuntimeContract`, give it a `world` fixture.

class TestMine(RuntimeContract):
    @pytest.fixture
    def world(self, tmp_path): ...   # fulfils `World`
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

import pytest

from rollout.errors import BrokenError, FencedError
from rollout.executor.ports import Order, Runtime
from rollout.host.usage import Used
from rollout.model.fleet import Kind, Release, RuntimeName, Service, Tier


class Program(StrEnum):
    """What a program under test does with the port that it is given."""

    SERVES = "serves"
    EXITS = "exits"
    LISTENS_ELSEWHERE = "listens_elsewhere"
    SILENT = "silent"
    WORKS = "works"


EXIT_CODE = 7
LAST_WORDS = "boom with s3cret-value"
SECRET = "s3cret-value"


class World(Protocol):
    """A runtime and the little that the suite must know of what is around it."""

    runtime: Runtime
    name: RuntimeName
    reports_use: bool
    """Whether CPU and memory of its instances can be told. One that declares no must say why."""

    def command(self, program: Program) -> Sequence[str]:
        """A command that behaves so. `exits` prints LAST_WORDS first."""

    def equipped(self, spec: Service) -> Service:
        """The same with all that this world's engine needs besides a command."""

    def lacking(self, spec: Service) -> Service:
        """The same, but for something named `nowhere/at/all` that this host does not have."""

    def resolve(self, name: str) -> int | None:
        """The port that a name leads to; None for an unknown name."""

    def traffic(self) -> Sequence[str]:
        """The addresses that the edge counts as copies of the service."""

    def processes(self, token: str) -> int:
        """How many instances under this token have a live process."""

    def used(self) -> Sequence[Used]:
        """What the host part says that every launch of the service has used (host.usage.Metered)."""

    def leads_to_the_program(self, port: int) -> bool:
        """Does the program of the service listen there?"""


def order(world: World, program: Program = Program.SERVES, **more: object) -> Order:
    """An order for one replica under the fence 10; `more` are fields of Order."""
    spec = Service(
        name="api",
        environment="shop",
        customer="acme",
        tier=Tier.TRIAL,
        kind=Kind.WORKER if program is Program.WORKS else Kind.HTTP,
        command=tuple(world.command(program)),
        env={"TOKEN": SECRET},
        draining_s=2.0,
    )
    made = datetime(2024, 6, 4, tzinfo=UTC)
    release = Release(service="shop/api", number=3, created=made, created_by="ann", spec=world.equipped(spec))
    usual = Order(release=release, runtime=world.name, token="t.shop.api.1", fence=10, deadline_s=20.0)
    return replace(usual, **more)  # type: ignore[arg-type]  # fields of Order by name


class RuntimeContract:
    """One suite for all."""

    @pytest.fixture
    def world(self) -> World:
        """The implementation under test."""
        raise pytest.UsageError("give the suite a `world`")

    def test_launch_runs_all_replicas_under_their_own_names(self, world: World) -> None:
        copy = world.runtime.launch(order(world, replicas=2))
        assert (copy.running, copy.wanted, copy.restarts, copy.alive) == (2, 2, 0, True)
        assert len(set(copy.addresses)) == 2
        port = world.resolve(f"{world.name}.api.shop.internal")
        assert port is not None
        assert world.leads_to_the_program(port)
        assert sorted(world.traffic()) == sorted(copy.addresses)

    def test_launch_twice_is_launch_once(self, world: World) -> None:
        first = world.runtime.launch(order(world))
        again = world.runtime.launch(order(world))
        assert again == first
        assert (again.launched_s, again.discoverable_s) == (None, None), "nothing was launched: there is nothing to time"
        assert world.processes("t.shop.api.1") == 1

    def test_what_it_times_is_launch_and_then_discovery(self, world: World) -> None:
        copy = world.runtime.launch(order(world, replicas=2))
        if copy.launched_s is not None:
            assert copy.discoverable_s is not None
            assert 0 <= copy.launched_s <= copy.discoverable_s

    def test_cpu_and_memory_of_a_launch_are_told_or_why_not(self, world: World) -> None:
        world.runtime.launch(order(world, replicas=2))
        (used,) = world.used()
        assert used.token == "t.shop.api.1"
        if world.reports_use:
            assert (used.why_not, used.processes >= 2) == ("", True)
            assert (used.memory_bytes or 0) > 0
            assert 0 <= (used.cpu_s or 0.0) <= (world.used()[0].cpu_s or 0.0)
        else:
            assert used.why_not
            assert (used.cpu_s, used.memory_bytes) == (None, None)

    def test_use_is_told_of_each_launch_and_of_no_stopped_one(self, world: World) -> None:
        world.runtime.launch(order(world))
        world.runtime.launch(order(world, token="t.shop.api.2"))
        assert sorted(used.token for used in world.used()) == ["t.shop.api.1", "t.shop.api.2"]
        world.runtime.stop(order(world))
        assert [used.token for used in world.used()] == ["t.shop.api.2"]

    def test_without_traffic_it_is_named_and_not_counted_until_launched_with_it(self, world: World) -> None:
        world.runtime.launch(order(world, traffic=False))
        assert world.resolve(f"{world.name}.api.shop.internal") is not None
        assert list(world.traffic()) == []
        copy = world.runtime.launch(order(world))
        assert list(world.traffic()) == list(copy.addresses)
        assert world.processes("t.shop.api.1") == 1

    def test_launching_again_takes_no_traffic_away(self, world: World) -> None:
        copy = world.runtime.launch(order(world))
        assert list(world.traffic()) == list(copy.addresses) == list(world.runtime.launch(order(world)).addresses)

    def test_stop_leaves_nothing_and_can_be_done_again(self, world: World) -> None:
        world.runtime.launch(order(world))
        world.runtime.stop(order(world))
        world.runtime.stop(order(world))
        assert world.processes("t.shop.api.1") == 0
        assert world.runtime.inspect("shop/api", "t.shop.api.1") is None
        assert world.resolve(f"{world.name}.api.shop.internal") is None
        assert list(world.traffic()) == []

    def test_a_stopped_copy_can_be_launched_again(self, world: World) -> None:
        world.runtime.launch(order(world))
        world.runtime.stop(order(world))
        assert world.runtime.launch(order(world)).alive

    def test_what_was_never_launched_can_be_stopped_and_unpublished(self, world: World) -> None:
        world.runtime.stop(order(world))
        world.runtime.unpublish(order(world))
        assert world.runtime.inspect("shop/api", "t.shop.api.1") is None

    def test_a_program_that_ends_is_told_with_its_last_words_and_nothing_is_left(self, world: World) -> None:
        with pytest.raises(BrokenError, match=f"exit code {EXIT_CODE}") as told:
            world.runtime.launch(order(world, Program.EXITS))
        assert "boom" in told.value.state
        assert SECRET not in told.value.state + told.value.what
        assert world.processes("t.shop.api.1") == 0
        assert world.resolve(f"{world.name}.api.shop.internal") is None
        assert any("boom" in line for line in world.runtime.tail("shop/api", "t.shop.api.1"))

    def test_a_program_that_never_listens_fails_in_time_and_nothing_is_left(self, world: World) -> None:
        with pytest.raises(BrokenError, match="port"):
            world.runtime.launch(order(world, Program.SILENT, deadline_s=0.5))
        assert world.processes("t.shop.api.1") == 0
        assert world.resolve(f"{world.name}.api.shop.internal") is None

    def test_a_worker_runs_without_a_port_or_a_name(self, world: World) -> None:
        copy = world.runtime.launch(order(world, Program.WORKS))
        assert (copy.alive, copy.addresses, copy.discoverable_s) == (True, (), None)
        assert world.resolve(f"{world.name}.api.shop.internal") is None
        assert list(world.traffic()) == []

    def test_a_lower_fence_changes_nothing(self, world: World) -> None:
        world.runtime.launch(order(world, fence=20))
        for refused in (world.runtime.launch, world.runtime.stop, world.runtime.unpublish):
            with pytest.raises(FencedError):
                refused(order(world, fence=19))
        assert world.processes("t.shop.api.1") == 1

    def test_two_launches_are_two_copies(self, world: World) -> None:
        old = world.runtime.launch(order(world))
        new = world.runtime.launch(order(world, token="t.shop.api.2"))
        assert set(old.addresses).isdisjoint(new.addresses)
        world.runtime.stop(order(world))
        found = world.runtime.inspect("shop/api", "t.shop.api.2")
        assert found is not None
        assert found.alive

    def test_unpublish_forgets_a_stopped_copy(self, world: World) -> None:
        world.runtime.publish(order(world))
        world.runtime.launch(order(world))
        world.runtime.stop(order(world))
        world.runtime.unpublish(order(world))
        world.runtime.unpublish(order(world))
        assert list(world.runtime.tail("shop/api", "t.shop.api.1")) == []

    def test_publish_refuses_what_this_host_does_not_have(self, world: World) -> None:
        usual = order(world)
        missing = world.lacking(usual.release.spec)
        with pytest.raises(BrokenError, match="nowhere/at/all"):
            world.runtime.publish(replace(usual, release=replace(usual.release, spec=missing)))

    def test_an_undeclared_port_is_found_by_v2_alone(self, world: World) -> None:
        elsewhere = order(world, Program.LISTENS_ELSEWHERE, deadline_s=2.0)
        if world.name is RuntimeName.V2:
            copy = world.runtime.launch(elsewhere)
            assert copy.ports_note.startswith("found ")
            assert world.leads_to_the_program(world.resolve("v2.api.shop.internal") or 0)
        else:
            with pytest.raises(BrokenError, match="does not listen on port"):
                world.runtime.launch(elsewhere)
            assert world.processes("t.shop.api.1") == 0
