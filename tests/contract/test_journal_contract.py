"""Journal and leases, in memory and in SQLite, keep the same contract."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.contract.journal import API, WEB, JournalContract
from rollout.contract.leases import LeasesContract
from rollout.executor.memory import MemoryJournal, MemoryLeases, VirtualClock
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import Release, Service, Tier
from rollout.store import audit, blocks, releases
from rollout.store.controls import Ask, Controls
from rollout.store.database import Database, connect
from rollout.store.journal import StoreJournal
from rollout.store.leases import StoreLeases
from rollout.store.migrate import upgrade
from rollout.store.services import Services

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SPECS = [
    Service(name=name.partition("/")[2], environment="shop", customer="c1", tier=Tier.TRIAL, command="run") for name in (API, WEB)
]


def release(spec: Service) -> Release:
    return Release(service=spec.id, number=1, created=START, created_by="ann", spec=spec)


class MemoryRig:
    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.dead: set[int] = set()
        self.leases = MemoryLeases(self.clock, lambda holder: holder.pid not in self.dead)
        self.journal = self.standing = MemoryJournal(self.leases, self.clock)
        self.journal.releases = {spec.id: [release(spec)] for spec in SPECS}

    def ask(self, kind: ControlKind, subject: str) -> Control:
        id = len(self.journal.asked) + 1
        control = Control(id=id, kind=kind, subject=subject, actor="ann", reason="", at=self.clock.now())
        self.journal.asked[id] = control
        return control

    def is_blocked(self, service: str) -> bool:
        return service in self.journal.blocked


class StoreRig:
    def __init__(self, path: Path) -> None:
        engine = connect(path)
        upgrade(engine, str(path))
        self.database = Database(engine, str(path))
        self.clock = VirtualClock(START)
        self.dead: set[int] = set()
        self.leases = StoreLeases(self.database, self.clock.now, lambda holder: holder.pid not in self.dead)
        self.journal = self.standing = StoreJournal(self.database, self.clock.now)
        Services(self.database, lambda content: str(len(content)), self.clock.now).put(SPECS, who="ann")
        with self.database.writing() as session:
            releases.add_many(session, [release(spec) for spec in SPECS])

    def ask(self, kind: ControlKind, subject: str) -> Control:
        return Controls(self.database).write(Ask(kind=kind, subject=subject, actor="ann"), now=self.clock.now())

    def is_blocked(self, service: str) -> bool:
        with self.database.reading() as session:
            return blocks.get(session, service) is not None


@pytest.fixture
def store_rig(tmp_path: Path) -> Iterator[StoreRig]:
    rig = StoreRig(tmp_path / "store.sqlite")
    yield rig
    with rig.database.reading() as session:
        audit.verify(session)
    rig.database.close()


class TestMemoryLeases(LeasesContract):
    @pytest.fixture
    def rig(self) -> MemoryRig:
        return MemoryRig()


class TestStoreLeases(LeasesContract):
    @pytest.fixture
    def rig(self, store_rig: StoreRig) -> StoreRig:
        return store_rig


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def rig(self) -> MemoryRig:
        return MemoryRig()


class TestStoreJournal(JournalContract):
    @pytest.fixture
    def rig(self, store_rig: StoreRig) -> StoreRig:
        return store_rig


def test_unlock_refuses_a_live_lease_and_frees_a_dead_one(store_rig: StoreRig) -> None:
    from rollout.contract.leases import ANN, BEN
    from rollout.errors import LockedError, UsageError

    lease = store_rig.leases.take("wave-3", ANN)
    with pytest.raises(LockedError):
        store_rig.leases.unlock(lease.number, who="ben", why="")
    store_rig.dead.add(ANN.pid)
    assert store_rig.leases.unlock(lease.number, who="ben", why="gone") == lease
    with pytest.raises(UsageError):
        store_rig.leases.unlock(lease.number, who="ben", why="")
    again = store_rig.leases.take("wave-3", replace(BEN, doing="again"))
    assert again.number > lease.number
