"""`service logs` of a copy that failed and is gone: its last lines are in the journal of its move."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.contract.leases import ANN
from rollout.executor.enrol import enrol
from rollout.executor.fold import apply
from rollout.executor.ports import Batch, Write
from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import Strategy
from rollout.model.state import Event, State
from rollout.store.database import Database
from rollout.store.history import History
from rollout.store.journal import StoreJournal
from rollout.wiring import actor
from rollout.wiring.home import Home
from tests.scenarios.transcript import run
from tests.store.running import run as running
from tests.store.running import service

LINES = [f"line {n}" for n in range(1, 51)]


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    running(opened, [service("api"), service("web")])
    yield opened
    opened.close()


def fell(database: Database, wave: int, log: list[str]) -> None:
    """A move of the service that failed, keeping this log."""
    now = actor.now()
    row = Move(
        id=f"wave-{wave}/shop/api",
        service="shop/api",
        wave=wave,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=now,
        position=0,
        steps=(100,),
    )
    journal = StoreJournal(database, actor.now)
    lease = actor.leases(database).take(f"wave-{wave}", replace(ANN, pid=1))
    enrol(journal, lease, [row])
    planned = journal.move(row.id)
    assert planned is not None
    for event, state, evidence in (
        (Event.OK, State.PUBLISHING, {}),
        (Event.FAILED, State.FALLING_BACK, {"log": log} if log else {}),
        (Event.OK, State.FELL_BACK, {}),
    ):
        entry = Entry(
            move=row.id, kind=EntryKind.EVENT, at=now, actor="ann", event=event, evidence=evidence, changes={"state": state.value}
        )
        write = Write(entry=entry, row=apply(planned, entry))
        journal.commit(lease, Batch(writes=[write]))
        planned = write.row
    actor.leases(database).give_back(lease)


def test_its_last_lines_are_told_and_where_they_are_from(database: Database) -> None:
    fell(database, 3, LINES)
    said = run("rollout service logs api --runtime v2")
    shown, told = [x for x in said.splitlines() if not x.startswith("! ")], [x for x in said.splitlines() if x.startswith("! ")]
    assert shown == LINES
    assert len(told) == 1
    assert told[0].startswith("! shop/api: its copy on v2 is gone; these are its last lines, kept at ")
    assert told[0].endswith(" by wave-3:")
    assert [x for x in run("rollout service logs api -n 2").splitlines() if not x.startswith("! ")] == LINES[-2:]
    assert [x for x in run("rollout service logs api -n 0").splitlines() if not x.startswith("! ")] == []


def test_the_newest_of_its_failures_is_told(database: Database) -> None:
    fell(database, 3, LINES)
    fell(database, 4, ["newer"])
    fell(database, 5, [])
    kept = History(database).kept_log("shop/api")
    assert kept is not None
    assert (kept.move, kept.runtime, kept.lines) == ("wave-4/shop/api", RuntimeName.V2, ["newer"])
    assert actor.now() - kept.at < timedelta(hours=1)
    assert History(database).kept_log("shop/web") is None


def test_the_other_side_and_another_service_have_written_nothing(database: Database) -> None:
    fell(database, 3, LINES)
    assert run("rollout service logs api --runtime legacy") == "! shop/api has written nothing on legacy\n"
    assert run("rollout service logs web").endswith("[exit 1]\n")
