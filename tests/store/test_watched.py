"""What somebody who watches reads: acts of people, marks of one wave, and failures that no crowd hides."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.executor.fold import to_body
from rollout.executor.ports import ControlKind
from rollout.model.state import State
from rollout.store.controls import Ask, Controls
from rollout.store.database import Database
from rollout.store.history import History
from rollout.store.progress import Progress
from rollout.store.tables import JournalRow, MoveRow
from rollout.store.watched import Watched
from rollout.wiring.home import Home
from tests.cli.scenes import NOW, move


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Home(home).database()
    yield database
    database.close()


def entry(of: str, **changes: object) -> JournalRow:
    at = NOW.isoformat(timespec="microseconds")
    return JournalRow(move=of, at=at, kind="event", event="ok", actor="ann", reason="", evidence={}, changes=changes, lease=1)


def test_an_act_names_its_person_host_and_reason_once(database: Database) -> None:
    watched, asked = Watched(database), Controls(database, "web-1")
    before = watched.last()
    control = asked.write(Ask(kind=ControlKind.PAUSE, subject="wave-3", actor="anna", reason="lunch"), now=NOW)
    asked.end(ControlKind.PAUSE, "wave-3", by="bob", why="", now=NOW + timedelta(seconds=5))
    first, second = watched.acts(after=before)
    assert (first.who, first.host, first.what, first.subject, first.why) == ("anna", "web-1", "paused", "wave-3", "lunch")
    assert (second.who, second.what) == ("bob", "resumed")
    assert control.host == "web-1"
    assert watched.acts(after=first.number) == [second]
    assert watched.acts(since=NOW + timedelta(seconds=1)) == [second]


def test_a_verb_that_was_obeyed_is_one_act(database: Database) -> None:
    asked = Controls(database, "web-1")
    asked.write(Ask(kind=ControlKind.ABORT, subject="wave-3", actor="anna"), now=NOW)
    asked.end(ControlKind.ABORT, "wave-3", by="scheduler", why="obeyed", now=NOW)
    assert [act.what for act in Watched(database).acts()] == ["aborted"]


def test_marks_are_those_of_one_wave_and_go_on_where_they_ended(database: Database) -> None:
    with database.writing() as session:
        session.add(entry("wave-3/shop/api", state="launching"))
        session.add(entry("wave-30/shop/api", state="baking"))
        session.add(entry("wave-3/shop/api", held_since=NOW.isoformat()))
    first, second = Watched(database).marks("wave-3", after=0)
    assert (first.state, first.held, second.state, second.held) == (State.LAUNCHING, False, None, True)
    assert Watched(database).marks("wave-3", after=first.number) == [second]


def test_news_are_what_was_written_since(database: Database) -> None:
    history, asked = History(database), Controls(database)
    asked.write(Ask(kind=ControlKind.PAUSE, subject="wave-3", actor="anna"), now=NOW)
    place = history.end()
    assert history.between(place, history.end()) == []
    asked.write(Ask(kind=ControlKind.PAUSE, subject="wave-4", actor="anna"), now=NOW)
    assert [one.subject for one in history.between(place, history.end())] == ["wave-4"]


@pytest.mark.parametrize(
    ("later", "failed"), [(State.FINISHED, False), (State.LAUNCHING, False), (State.SKIPPED, True), (State.PLANNED, True)]
)
def test_a_failure_is_over_when_a_later_move_of_its_service_has_begun(database: Database, later: State, failed: bool) -> None:
    with database.writing() as session:
        for seq, (id, service, state) in enumerate(
            [
                ("back-1/shop/api", "shop/api", State.FELL_BACK),
                ("back-2/shop/api", "shop/api", later),
                ("w", "shop/b", State.FELL_BACK),
            ]
        ):
            row = move(service, state)
            session.add(MoveRow(id=id, service=service, wave=-1, state=state, live=int(row.live), seq=seq, body=to_body(row)))
    found = Progress(database).sight(states=[State.FELL_BACK]).moves
    assert {row.service for row in found} == ({"shop/api", "shop/b"} if failed else {"shop/b"})


def test_no_failure_is_lost_behind_many_that_move(database: Database) -> None:
    rows = [move("shop/failed", State.FELL_BACK), *(move(f"shop/s{n}", State.BAKING) for n in range(20))]
    with database.writing() as session:
        for number, row in enumerate(rows):
            live, body = int(row.live), to_body(row)
            session.add(MoveRow(id=row.id, service=row.service, wave=3, state=row.state, live=live, seq=number, body=body))
    found = Progress(database).sight(states=[State.FELL_BACK, State.BAKING], limit=5).moves
    assert [row.state for row in found] == [State.FELL_BACK, *[State.BAKING] * 5]
