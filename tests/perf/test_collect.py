"""The instrument: requests from the edge, CPU and memory from the host part, and what is said where one cannot be read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rollout.errors import HostGoneError
from rollout.executor.ports import Look
from rollout.host.usage import Used
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample
from rollout.model.snapshot import Phase
from rollout.model.state import State
from rollout.perf.collect import EDGE, PROCESSES, Collector
from rollout.perf.histogram import of
from tests.executor.test_measuring import NOON, look

L, V = RuntimeName.LEGACY, RuntimeName.V2


class World:
    """An edge with 20 requests of legacy and 10 of v2, and copies whose use of CPU grows."""

    def __init__(self) -> None:
        self.cpu_s = {"old": 5.0, "new": 1.0}
        self.fault: Exception | None = None

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        if self.fault:
            raise self.fault
        assert service == "shop/api"
        return {side: Sample(runtime=side, requests=n, errors=1, latencies=of([10.0] * n)) for side, n in ((L, 20), (V, 10))}

    def used(self, service: str) -> Sequence[Used]:
        if self.fault:
            raise self.fault
        return [Used(token=token, processes=1, cpu_s=cpu, memory_bytes=int(1000 * cpu)) for token, cpu in self.cpu_s.items()]


def shown(seconds: float = 0.0) -> Look:
    seen = look(State.SHIFTING, 10, weight=10)
    return replace(seen, now=NOON + timedelta(seconds=seconds), move=replace(seen.move, source_token="old", id="w"))


@pytest.fixture
def world() -> World:
    world = World()
    world.cpu_s[shown().move.token] = world.cpu_s.pop("new")
    return world


def test_both_sides_with_requests_cpu_and_memory(world: World) -> None:
    collector = Collector(world, world)
    collector.watch(shown())
    world.cpu_s["old"] += 2
    world.cpu_s[shown().move.token] += 1
    collector.watch(shown(2))
    legacy, v2 = collector.measure(shown(4), Phase.DURING, shown().since)
    assert (legacy.runtime, legacy.requests, legacy.errors, legacy.latencies.n, legacy.seconds) == (L, 20, 1, 20, 14)
    assert (legacy.cpu_cores, legacy.memory_bytes) == (0.5, 6000)
    assert (v2.runtime, v2.requests, v2.cpu_cores, v2.memory_bytes) == (V, 10, 0.25, 1500)
    assert v2.instrument == f"{EDGE}; {PROCESSES}"


def test_a_driver_that_came_late_does_not_make_up_cpu(world: World) -> None:
    (v2,) = Collector(world, world).measure(shown(4), Phase.AFTER, shown().since)
    assert (v2.cpu_cores, v2.memory_bytes, v2.instrument) == (None, 1000, EDGE)


def test_a_copy_that_was_restarted_has_no_figure(world: World) -> None:
    collector = Collector(world, world)
    collector.watch(shown())
    world.cpu_s[shown().move.token] = 0.1
    assert collector.measure(shown(4), Phase.AFTER, shown().since)[0].cpu_cores is None


def test_what_cannot_be_read_is_left_out(world: World) -> None:
    collector = Collector(world, world)
    world.fault = HostGoneError("the host part does not answer")
    collector.watch(shown())
    assert list(collector.measure(shown(4), Phase.DURING, shown().since)) == []


def test_a_host_that_cannot_tell_is_no_figure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at the end nor at the beginning; and the instrument says that the edge alone was read."""
    collector, known = Collector(world, world), Collector(world, world)
    known.watch(shown())
    tokens = list(world.cpu_s)
    with monkeypatch.context() as silent:
        silent.setattr(world, "used", lambda _: [Used(token=token, processes=0, why_not="no") for token in tokens])
        collector.watch(shown())
        (v2,) = collector.measure(shown(4), Phase.AFTER, shown().since)
        assert (v2.cpu_cores, v2.memory_bytes, v2.instrument) == (None, None, EDGE)
        assert known.measure(shown(4), Phase.AFTER, shown().since)[0].cpu_cores is None
    (v2,) = collector.measure(shown(4), Phase.AFTER, shown().since)
    assert (v2.cpu_cores, v2.memory_bytes) == (None, 1000)
