"""Statements compiled once: any number of names, values beside them, and what a session was told but has not written."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select

from rollout.store import bulk
from rollout.store.database import Database
from rollout.store.tables import MAIN, CounterRow
from rollout.wiring.home import Home

TABLE = MAIN.tables["counter"]
ALL = select(TABLE.c.name).where(TABLE.c.value >= bindparam("least")).order_by(TABLE.c.name)
NAMED = ALL.where(TABLE.c.name.in_(bulk.OF), TABLE.c.name != "c-3")
FIRST = ALL.limit(bindparam("most"))


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Home(home).database()
    with database.writing() as session:
        bulk.run(session, insert(TABLE), [{"name": f"c-{n}", "value": n} for n in range(2000)])
    yield database
    database.close()


def test_any_number_of_names_is_asked_for(database: Database) -> None:
    with database.reading() as session:
        for count in (0, 1, 2, 3, 5, 511, 512, 513, 1500):
            names = [f"c-{n}" for n in range(count)]
            found = [row.name for row in bulk.find_of(session, NAMED, names, least=2)]
            assert sorted(found) == sorted({*names} - {"c-0", "c-1", "c-3"}), f"of {count} names, each once"


def test_values_and_limits_are_those_of_each_question(database: Database) -> None:
    with database.reading() as session:
        assert [row.name for row in bulk.find(session, FIRST, least=1990, most=2)] == ["c-1990", "c-1991"]
        assert [row.name for row in bulk.find(session, FIRST, least=1998, most=9)] == ["c-1998", "c-1999"]


def test_what_the_session_was_told_counts(database: Database) -> None:
    with database.writing() as session:
        session.add(CounterRow(name="told", value=5000))
        assert [row.name for row in bulk.find(session, ALL, least=5000)] == ["told"]
        assert [row.name for row in bulk.find_of(session, NAMED, ["told"], least=0)] == ["told"]
        session.delete(session.get_one(CounterRow, "told"))
        assert list(bulk.find(session, ALL, least=5000)) == []
