"""The limits of a policy hold over all waves that are driven at once, however their drivers interleave."""

from dataclasses import replace

import pytest

from rollout.executor.crowd import NOBODY, Crowd
from rollout.executor.drive import Driver
from rollout.executor.ports import Batch
from rollout.executor.result import Until
from rollout.model.lease import Lease
from rollout.model.plan import Wave
from rollout.model.policy import Concurrency
from rollout.model.state import IN_FLIGHT, State
from tests.sim.simworld import HOLDER, POLICY, SimWorld


class TwoWaves:
    """Six services in two waves, each driven by its own driver."""

    def __init__(self, limits: Concurrency) -> None:
        self.sim = SimWorld(policy=replace(POLICY, concurrency=limits))
        for n in range(6):
            self.sim.add(f"s{n}", customer=f"c{n % 2}", environment=f"e{n % 3}")
        moves = tuple(self.sim.moves)
        self.waves = [replace(self.sim.wave, number=1, moves=moves[:3]), replace(self.sim.wave, number=2, moves=moves[3:])]
        self.limits = limits
        self.most = 0
        self.sim.journal.watch = self.check

    def check(self) -> None:
        flying = [row for row in self.sim.journal.rows.values() if row.state in IN_FLIGHT]
        self.most = max(self.most, len(flying))
        assert len(flying) <= self.limits.total
        for name, limit in (("customer", self.limits.per_customer), ("environment", self.limits.per_environment)):
            of = [getattr(row, name) for row in flying]
            assert limit is None or all(of.count(one) <= limit for one in of), name

    def driver(self, wave: Wave) -> Driver:
        return Driver(self.sim.world(), wave, self.sim.leases.take(wave.name, HOLDER))

    def drive(self) -> None:
        drivers = [self.driver(wave) for wave in self.waves]
        for _ in range(5000):
            for driver in drivers:
                driver.tick()
            if all(driver.ended(Until.FINISHED) for driver in drivers):
                break
        assert {row.state for row in self.sim.journal.rows.values()} == {State.FINISHED}


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Concurrency(total=2), 2),
        (Concurrency(total=9, per_customer=1), 2),
        (Concurrency(total=9, per_environment=1), 3),
        (Concurrency(total=1), 1),
        (Concurrency(total=9), 6),
    ],
)
def test_two_drivers_keep_the_limits_together(limits: Concurrency, most: int) -> None:
    both = TwoWaves(limits)
    both.drive()
    assert both.most == most


@pytest.mark.parametrize("limits", [Concurrency(total=2), Concurrency(total=9, per_customer=1)])
def test_what_another_began_after_the_look_is_found_in_the_commit(limits: Concurrency, monkeypatch: pytest.MonkeyPatch) -> None:
    both = TwoWaves(limits)
    journal = both.sim.journal
    beside, looks = journal.beside, [0]

    def late(wave: int) -> Crowd:
        """The first looks of wave-2 come before wave-1 has begun anything."""
        looks[0] += wave == 2
        return NOBODY if wave == 2 and looks[0] <= 1 else beside(wave)

    first = both.driver(both.waves[0])
    first.tick()
    assert both.most == 2
    second = both.driver(both.waves[1])
    commit = journal.commit

    def committing(lease: Lease, batch: Batch) -> None:
        """What the store itself counts is never late."""
        monkeypatch.setattr(journal, "beside", beside)
        commit(lease, batch)

    monkeypatch.setattr(journal, "beside", late)
    monkeypatch.setattr(journal, "commit", committing)
    second.tick()
    assert looks == [1]
    assert {row.state for row in journal.moves(2)} == {State.PLANNED}
    assert not second._flights
    for _ in range(5000):
        first.tick()
        second.tick()
        if first.ended(Until.FINISHED) and second.ended(Until.FINISHED):
            break
    assert {row.state for row in journal.rows.values()} == {State.FINISHED}
