"""Effects that hang: the driver does not wait for them for ever, and what still comes of them changes nothing."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime

from rollout.executor.memory import inline
from rollout.executor.result import Until
from rollout.model.fleet import RuntimeName
from rollout.model.state import State
from tests.sim.simworld import SimClock, SimWorld


class HangingSpawn:
    """Runs everything inline but the launch, which never comes back by itself."""

    def __init__(self, sim: SimWorld) -> None:
        self.sim = sim
        self.hanging: list[Future[object]] = []

    def __call__(self, effect: Callable[[], object]) -> "Future[object]":
        row = self.sim.row("shop/api")
        if row.doing == "launch" and not self.hanging:
            future: Future[object] = Future()
            future.set_running_or_notify_cancel()
            self.hanging.append(future)
            return future
        return inline(effect)


class PassingClock(SimClock):
    """Time passes by itself, a second at every look at the clock."""

    def now(self) -> datetime:
        self._sim.clock.sleep(1.0)
        return super().now()


def test_a_launch_that_hangs_is_given_up_at_its_deadline() -> None:
    sim = SimWorld()
    api = sim.add("api")
    spawn = HangingSpawn(sim)
    result = sim.drive(Until.WARM, spawn=spawn, clock=PassingClock(sim), tick_s=0.001)
    assert len(spawn.hanging) == 1
    row = sim.row(api)
    assert (row.state, row.counts) == (State.FELL_BACK, True)
    assert "did not end in time" in row.reason
    assert result.of(State.FELL_BACK) == 1
    assert not sim.host.running(api, RuntimeName.V2)
    assert replace(row, due=None) == row
