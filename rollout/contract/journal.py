"""What every implementation of Journal and Standing keeps. Subclass `JournalContract` and give it a `rig` fixture."""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from rollout.contract.leases import ANN, BEN
from rollout.errors import ClashError, CrowdedError, FencedError, TakenError
from rollout.executor.crowd import NOBODY, Crowd
from rollout.executor.enrol import enrol
from rollout.executor.fold import apply
from rollout.executor.memory import VirtualClock
from rollout.executor.ports import Batch, Control, ControlKind, Effects, Journal, Leases, Standing, Write
from rollout.model.fleet import Origin, Placement, RuntimeName, Setting
from rollout.model.lease import Lease
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import Strategy
from rollout.model.state import Event, State

API, WEB = "shop/api", "shop/web"


class Rig(Protocol):
    """A journal in virtual time whose fleet has the services API and WEB, each with release 1, running nowhere."""

    journal: Journal
    standing: Standing
    leases: Leases
    clock: VirtualClock

    def ask(self, kind: ControlKind, subject: str) -> Control:
        """A row of control stands."""

    def is_blocked(self, service: str) -> bool:
        """Whether the service has a block."""


def row(rig: Rig, service: str = API, wave: int = 3, position: int = 0) -> Move:
    """A planned move."""
    return Move(
        id=f"wave-{wave}/{service}",
        service=service,
        wave=wave,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=rig.clock.now(),
        position=position,
        steps=(1, 100),
    )


def event(rig: Rig, before: Move, what: Event, state: State, effects: Effects | None = None) -> Write:
    """The write of an event that leads to `state`."""
    entry = Entry(
        move=before.id, kind=EntryKind.EVENT, at=rig.clock.now(), actor="ann", event=what, changes={"state": state.value}
    )
    return Write(entry=entry, row=apply(before, entry), effects=effects or Effects())


def begun(rig: Rig, lease: Lease, service: str = API, wave: int = 3) -> Move:
    """A move in `publishing`, as the journal has it."""
    enrol(rig.journal, lease, [row(rig, service, wave)])
    planned = rig.journal.move(f"wave-{wave}/{service}")
    assert planned is not None
    rig.journal.commit(lease, Batch(writes=[event(rig, planned, Event.OK, State.PUBLISHING)]))
    found = rig.journal.move(planned.id)
    assert found is not None
    return found


class JournalContract:
    """One suite for all."""

    @pytest.fixture
    def rig(self) -> Rig:
        """The implementation under test."""
        raise AssertionError("give the suite a rig")

    @pytest.fixture
    def lease(self, rig: Rig) -> Lease:
        """A live lease on wave-3."""
        return rig.leases.take("wave-3", ANN)

    def test_a_row_comes_back_as_it_was_written(self, rig: Rig, lease: Lease) -> None:
        """Every field, through every write."""
        enrol(rig.journal, lease, [row(rig)])
        assert rig.journal.moves(3) == [replace(row(rig), seq=1)]
        found = begun(rig, rig.leases.take("wave-4", BEN), WEB, 4)
        assert (found.state, found.seq, found.due) == (State.PUBLISHING, 2, rig.clock.now())
        assert rig.journal.move("wave-9/shop/api") is None

    def test_planned_rows_come_by_position(self, rig: Rig, lease: Lease) -> None:
        """In pages."""
        enrol(rig.journal, lease, [row(rig, WEB, position=1), row(rig, API, position=0)])
        assert [r.service for r in rig.journal.moves(3, {State.PLANNED}, limit=10)] == [API, WEB]
        assert [r.service for r in rig.journal.moves(3, {State.PLANNED}, limit=1)] == [API]
        assert [r.service for r in rig.journal.moves(3, {State.PLANNED}, after=0)] == [WEB]
        assert rig.journal.due(3, rig.clock.now(), 10) == []

    def test_rows_are_due_at_once_or_when_they_were_put_off_to(self, rig: Rig, lease: Lease) -> None:
        """Putting off is no entry."""
        found = begun(rig, lease)
        assert [r.id for r in rig.journal.due(3, rig.clock.now(), 10)] == [found.id]
        later = rig.clock.now() + timedelta(seconds=30)
        rig.journal.commit(lease, Batch(later={found.id: later}))
        assert rig.journal.due(3, rig.clock.now(), 10) == []
        assert rig.journal.next_due(3, rig.clock.now()) == later
        rig.clock.sleep(30)
        assert rig.journal.due(3, rig.clock.now(), 10) == [replace(found, due=later)]
        assert rig.journal.next_due(3, later) is None

    def test_what_has_ended_is_never_due(self, rig: Rig, lease: Lease) -> None:
        """Not even when it is put off."""
        enrol(rig.journal, lease, [row(rig)])
        planned = rig.journal.moves(3)[0]
        rig.journal.commit(lease, Batch(writes=[event(rig, planned, Event.ABORT, State.SKIPPED)]))
        rig.journal.commit(lease, Batch(later={planned.id: rig.clock.now()}))
        assert rig.journal.due(3, rig.clock.now(), 10) == []
        assert rig.journal.moves(3, {State.SKIPPED}) == rig.journal.moves(3)
        assert rig.journal.moves(3, {State.PLANNED}) == []

    def test_a_lost_lease_writes_nothing(self, rig: Rig, lease: Lease) -> None:
        """The fence: checked in the same transaction."""
        found = begun(rig, lease)
        rig.clock.sleep(60)
        rig.leases.take("wave-3", BEN)
        with pytest.raises(FencedError):
            rig.journal.commit(lease, Batch(writes=[event(rig, found, Event.OK, State.LAUNCHING)]))
        assert rig.journal.move(found.id) == found

    def test_a_newer_lease_on_one_service_takes_only_that_one(self, rig: Rig, lease: Lease) -> None:
        """TakenError names the service and its new lease; nothing of the batch is written."""
        api = begun(rig, lease)
        enrol(rig.journal, lease, [row(rig, WEB)])
        web = rig.journal.move(f"wave-3/{WEB}")
        assert web is not None
        newer = rig.leases.take(f"service:{API}", BEN)
        writes = [event(rig, api, Event.OK, State.LAUNCHING), event(rig, web, Event.OK, State.PUBLISHING)]
        with pytest.raises(TakenError) as taken:
            rig.journal.commit(lease, Batch(writes=writes))
        assert list(taken.value.services) == [API]
        assert str(newer.number) in taken.value.services[API]
        assert rig.journal.move(web.id) == web
        rig.journal.commit(lease, Batch(writes=writes[1:]))
        rig.journal.commit(newer, Batch(writes=writes[:1]))

    def test_a_row_that_another_driver_has_written_is_taken(self, rig: Rig, lease: Lease) -> None:
        """Also when that driver has given its lease back since."""
        api = begun(rig, lease)
        other = rig.leases.take(f"service:{API}", BEN)
        rig.journal.commit(other, Batch(writes=[event(rig, api, Event.OK, State.LAUNCHING)]))
        rig.leases.give_back(other)
        with pytest.raises(TakenError) as taken:
            rig.journal.commit(lease, Batch(writes=[event(rig, api, Event.ABORT, State.FALLING_BACK)]))
        assert list(taken.value.services) == [API]

    def test_a_service_has_one_live_move(self, rig: Rig, lease: Lease) -> None:
        """ClashError names the other; enrolling notes the second as skipped, with the reason, and keeps the rest."""
        begun(rig, lease)
        second = rig.leases.take("wave-4", BEN)
        fresh = replace(row(rig, API, 4), seq=0)
        entry = Entry(move=fresh.id, kind=EntryKind.EVENT, at=rig.clock.now(), actor="ben")
        with pytest.raises(ClashError) as clash:
            rig.journal.commit(second, Batch(writes=[Write(entry=entry, row=replace(fresh, seq=1))]))
        assert dict(clash.value.services) == {API: f"wave-3/{API}"}
        enrol(rig.journal, second, [row(rig, API, 4), row(rig, WEB, 4, 1)])
        assert [(r.service, r.state) for r in rig.journal.moves(4)] == [(API, State.SKIPPED), (WEB, State.PLANNED)]
        assert f"wave-3/{API}" in rig.journal.moves(4)[0].reason

    def test_effects_are_part_of_the_commit(self, rig: Rig, lease: Lease) -> None:
        """Placements, weights, the setting and the block."""
        found = begun(rig, lease)
        here = Placement(service=API, runtime=RuntimeName.V2, release=1, token="t", replicas=2, weight=0, since=rig.clock.now())
        chosen = Setting(runtime=RuntimeName.V2, origin=Origin.ROLLOUT)
        effects = Effects(place=(here,), weigh=((API, RuntimeName.V2, 10), (API, RuntimeName.LEGACY, 90)), setting=(API, chosen))
        rig.journal.commit(lease, Batch(writes=[event(rig, found, Event.OK, State.LAUNCHING, effects)]))
        assert rig.standing.placements(API) == [replace(here, weight=10)]
        assert rig.standing.setting(API) == chosen
        launching = rig.journal.move(found.id)
        assert launching is not None
        gone = Effects(unplace=((API, RuntimeName.V2),), block=(API, "it fell"))
        rig.journal.commit(lease, Batch(writes=[event(rig, launching, Event.FAIL, State.FALLING_BACK, gone)]))
        assert rig.standing.placements(API) == []
        assert rig.is_blocked(API)

    def test_controls_bear_on_their_wave_until_they_are_taken(self, rig: Rig, lease: Lease) -> None:
        """Of the fleet, of the wave, of its services; no others."""
        begun(rig, lease)
        asked = [
            rig.ask(ControlKind.PAUSE, "*"),
            rig.ask(ControlKind.ABORT, "wave-3"),
            rig.ask(ControlKind.REVERT, API),
        ]
        rig.ask(ControlKind.ABORT, "wave-4")
        rig.ask(ControlKind.REVERT, WEB)
        assert [c.id for c in rig.standing.controls(3)] == [c.id for c in asked]
        rig.journal.commit(lease, Batch(taken=[asked[1].id]))
        assert [c.id for c in rig.standing.controls(3)] == [asked[0].id, asked[2].id]

    def test_releases_by_number_and_the_newest(self, rig: Rig) -> None:
        """None for an unknown one."""
        newest = rig.standing.release(API)
        assert newest is not None
        assert newest.number == 1
        assert rig.standing.release(API, 1) == newest
        assert rig.standing.release(API, 9) is None
        assert rig.standing.setting(API) == Setting()

    def test_what_flies_in_other_waves_is_counted(self, rig: Rig, lease: Lease) -> None:
        """Not what is planned, warm or ended, and not what flies in the wave itself."""
        found = begun(rig, lease)
        assert rig.journal.beside(3) == NOBODY
        assert rig.journal.beside(4) == Crowd(total=1, customers={found.customer: 1}, environments={found.environment: 1})
        back = event(rig, found, Event.ABORT, State.FALLING_BACK)
        rig.journal.commit(lease, Batch(writes=[back]))
        assert rig.journal.beside(4).total == 1
        rig.journal.commit(lease, Batch(writes=[event(rig, back.row, Event.OK, State.ABORTED)]))
        assert rig.journal.beside(4) == NOBODY

    def test_nothing_begins_where_more_flies_than_was_seen(self, rig: Rig, lease: Lease) -> None:
        """CrowdedError, and nothing of the batch is written; with the count as it is the same batch is."""
        other = rig.leases.take("wave-4", BEN)
        enrol(rig.journal, other, [row(rig, WEB, 4)])
        planned = rig.journal.moves(4)[0]
        seen = rig.journal.beside(4)
        begun(rig, lease)
        writes = [event(rig, planned, Event.OK, State.PUBLISHING)]
        with pytest.raises(CrowdedError):
            rig.journal.commit(other, Batch(writes=writes, beside=seen))
        assert rig.journal.moves(4) == [planned]
        rig.journal.commit(other, Batch(writes=writes, beside=rig.journal.beside(4)))
        assert rig.journal.moves(4)[0].state is State.PUBLISHING
