"""Once the setting is written off no move to legacy can begin, also where its command looked a moment before."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.leases import ANN
from rollout.errors import StaleError
from rollout.executor.enrol import back_row, enrol
from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.store import setting
from rollout.store.database import Database
from rollout.store.journal import StoreJournal
from rollout.wiring import actor
from rollout.wiring.home import Home
from tests.store.running import run as running
from tests.store.running import service


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    running(opened, [service("api")])
    yield opened
    opened.close()


def test_a_move_back_to_legacy_that_comes_too_late_is_not_enrolled(database: Database) -> None:
    now = actor.now()
    to_v2 = Move(
        id="wave-1/shop/api",
        service="shop/api",
        wave=1,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=now,
        position=0,
    )
    back = back_row(to_v2, number=1, position=0, now=now, reason="late", actor="ann")
    leases, journal = actor.leases(database), StoreJournal(database, actor.now)
    lease = leases.take("back-1", replace(ANN, pid=1))
    with database.writing() as session:
        setting.write_off(session, who="bob", at=now)
    with pytest.raises(StaleError, match="no service can go back to legacy"):
        enrol(journal, lease, [back])
    assert journal.move(back.id) is None
    enrol(journal, lease, [to_v2])
    assert journal.move(to_v2.id) is not None
