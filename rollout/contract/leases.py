"""What every implementation of Leases keeps. Subclass `LeasesContract` and give it a `rig` fixture that fulfils `Rig`."""

from typing import Protocol

import pytest

from rollout.errors import FencedError, LockedError
from rollout.executor.memory import VirtualClock
from rollout.executor.ports import LEASE_S, Leases
from rollout.model.lease import Holder

ANN = Holder(user="ann", host="alpha", pid=11, started=1.5, doing="execute wave-3")
BEN = Holder(user="ben", host="beta", pid=12, started=2.5, doing="revert shop/api")


class Rig(Protocol):
    """Leases in virtual time; processes in `dead` (by pid) are known to be gone."""

    leases: Leases
    clock: VirtualClock
    dead: set[int]


class LeasesContract:
    """One suite for all."""

    @pytest.fixture
    def rig(self) -> Rig:
        """The implementation under test."""
        raise AssertionError("give the suite a rig")

    def test_a_live_holder_is_named_with_all_that_is_known(self, rig: Rig) -> None:
        """Who, where, which process, since when, doing what, and the command that unlocks it."""
        lease = rig.leases.take("wave-3", ANN)
        with pytest.raises(LockedError) as refused:
            rig.leases.take("wave-3", BEN)
        told = f"{refused.value.what} {refused.value.state} {refused.value.then}"
        for part in ("wave-3", "ann", "alpha", "11", "execute wave-3", f"store unlock {lease.number}"):
            assert part in told

    def test_numbers_grow_over_all_subjects(self, rig: Rig) -> None:
        """One sequence: a later lease always has the higher number, also after one was given back."""
        first = rig.leases.take("wave-3", ANN)
        second = rig.leases.take("service:shop/api", BEN)
        rig.leases.give_back(first)
        third = rig.leases.take("wave-3", BEN)
        assert first.number < second.number < third.number

    def test_what_is_given_back_is_free(self, rig: Rig) -> None:
        """Giving back twice is giving back once, and never takes the next one's."""
        lease = rig.leases.take("wave-3", ANN)
        rig.leases.give_back(lease)
        other = rig.leases.take("wave-3", BEN)
        rig.leases.give_back(lease)
        assert [x.number for x in rig.leases.held()] == [other.number]

    def test_an_expired_lease_is_taken_over_and_its_holder_fenced(self, rig: Rig) -> None:
        """After the time of a lease without a heartbeat."""
        lease = rig.leases.take("wave-3", ANN)
        rig.clock.sleep(LEASE_S - 1)
        with pytest.raises(LockedError):
            rig.leases.take("wave-3", BEN)
        rig.clock.sleep(2)
        assert rig.leases.held() == []
        assert rig.leases.take("wave-3", BEN).number > lease.number
        with pytest.raises(FencedError):
            rig.leases.renew(lease)

    def test_a_heartbeat_keeps_it(self, rig: Rig) -> None:
        """For the full time from then on; it keeps its number."""
        lease = rig.leases.take("wave-3", ANN)
        rig.clock.sleep(LEASE_S - 1)
        kept = rig.leases.renew(lease)
        assert kept.number == lease.number
        rig.clock.sleep(LEASE_S - 1)
        with pytest.raises(LockedError):
            rig.leases.take("wave-3", BEN)

    def test_late_but_not_taken_over_is_still_ours(self, rig: Rig) -> None:
        """A driver that slept too long goes on if nobody else came."""
        lease = rig.leases.take("wave-3", ANN)
        rig.clock.sleep(10 * LEASE_S)
        assert rig.leases.renew(lease).expires > rig.clock.now()

    def test_a_dead_holder_is_taken_over_at_once(self, rig: Rig) -> None:
        """Its process is known to be gone."""
        lease = rig.leases.take("wave-3", ANN)
        rig.dead.add(ANN.pid)
        assert rig.leases.take("wave-3", BEN).number > lease.number
