"""Rows of control: written once, ended once, each with its audit line, and read for the wave that they bear on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.executor.fold import to_body
from rollout.executor.ports import ControlKind
from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.store import audit, controls
from rollout.store.controls import FLEET, Ask, Controls
from rollout.store.database import Database
from rollout.store.tables import MoveRow
from rollout.wiring.home import Home

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Home(home).database()
    yield database
    database.close()


def ask(kind: ControlKind, subject: str, **more: str) -> Ask:
    return Ask(kind=kind, subject=subject, actor="ann", reason="because", **more)


def insert_move(database: Database, service: str, wave: int) -> None:
    row = Move(
        id=f"wave-{wave}/{service}",
        service=service,
        wave=wave,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=NOW,
    )
    with database.writing() as session:
        session.add(MoveRow(id=row.id, service=service, wave=wave, state=row.state, live=1, seq=1, body=to_body(row)))


def test_asking_again_for_what_stands_changes_nothing(database: Database) -> None:
    asked = Controls(database)
    first = asked.write(ask(ControlKind.PAUSE, "wave-3"), now=NOW)
    again = asked.write(ask(ControlKind.PAUSE, "wave-3"), now=NOW + timedelta(seconds=5))
    assert again == first
    with database.reading() as session:
        assert [(r.what, r.subject, r.who, r.why) for r in audit.read(session)] == [("pause", "wave-3", "ann", "because")]


def test_an_ended_row_holds_no_more_and_leaves_a_line(database: Database) -> None:
    asked = Controls(database)
    row = asked.write(ask(ControlKind.PAUSE, FLEET), now=NOW)
    assert asked.end(ControlKind.PAUSE, FLEET, by="bob", why="go on", now=NOW) == 1
    assert asked.end(ControlKind.PAUSE, FLEET, by="bob", why="go on", now=NOW) == 0
    assert asked.standing(now=NOW) == []
    assert asked.one(row.id) == (row, NOW)
    with database.reading() as session:
        assert [(r.what, r.who) for r in audit.read(session)] == [("pause", "ann"), ("end pause", "bob")]
        audit.verify(session)


def test_a_row_with_an_end_holds_until_then(database: Database) -> None:
    asked = Controls(database)
    until = NOW + timedelta(hours=1)
    asked.write(Ask(kind=ControlKind.FREEZE, subject=FLEET, actor="ann", reason="quarter end", until=until), now=NOW)
    assert len(asked.standing(now=until - timedelta(seconds=1))) == 1
    assert asked.standing(now=until) == []


def test_a_wave_sees_rows_of_the_fleet_of_itself_and_of_its_services_alone(database: Database) -> None:
    asked = Controls(database)
    insert_move(database, "shop/api", 3)
    insert_move(database, "shop/web", 4)
    for subject in (FLEET, "wave-3", "wave-4"):
        asked.write(ask(ControlKind.PAUSE, subject), now=NOW)
    for service in ("shop/api", "shop/web"):
        asked.write(ask(ControlKind.REVERT, service), now=NOW)
    with database.reading() as session:
        seen = [(c.kind, c.subject) for c in controls.bearing_on(session, 3, now=NOW)]
    assert seen == [(ControlKind.PAUSE, FLEET), (ControlKind.PAUSE, "wave-3"), (ControlKind.REVERT, "shop/api")]


def test_a_back_wave_sees_rows_under_its_own_name(database: Database) -> None:
    Controls(database).write(ask(ControlKind.ABORT, "back-17"), now=NOW)
    with database.reading() as session:
        assert [c.subject for c in controls.bearing_on(session, -17, now=NOW)] == ["back-17"]


def test_obeyed_rows_end_within_the_callers_transaction(database: Database) -> None:
    asked = Controls(database)
    rows = [asked.write(ask(ControlKind.FAIL, f"shop/s{n}"), now=NOW) for n in range(3)]
    with database.writing() as session:
        controls.end_taken(session, [rows[0].id, rows[2].id], by="lease 4", now=NOW)
    assert [c.subject for c in asked.standing(now=NOW)] == ["shop/s1"]
