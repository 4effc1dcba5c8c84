"""Sessions of the store: all or nothing, durable settings, and what goes wrong is told in three parts."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from rollout.errors import BrokenError
from rollout.store.database import Database, connect
from rollout.store.migrate import upgrade
from rollout.store.tables import CounterRow


@pytest.fixture
def database(tmp_path: Path) -> Database:
    path = tmp_path / "store.sqlite"
    engine = connect(path)
    upgrade(engine, str(path))
    return Database(engine, str(path))


def test_a_failed_session_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError, match="stop"), database.writing() as session:
        session.add(CounterRow(name="wave", value=1))
        session.flush()
        raise RuntimeError("stop")
    with database.reading() as session:
        assert session.get(CounterRow, "wave") is None
    database.close()


def test_it_is_durable_and_not_wal(database: Database) -> None:
    with database.reading() as session:
        facts = [
            session.connection().execute(text(f"pragma {p}")).scalar() for p in ("synchronous", "journal_mode", "foreign_keys")
        ]
    assert facts == [2, "truncate", 1]
    database.close()


def test_two_writers_wait_for_each_other(database: Database) -> None:
    with database.writing() as session:
        session.add(CounterRow(name="n", value=0))

    def add() -> None:
        for _ in range(50):
            with database.writing() as session:
                row = session.get(CounterRow, "n")
                assert row is not None
                row.value += 1

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        row = session.get(CounterRow, "n")
        assert row is not None
        assert row.value == 200
    database.close()


def test_a_damaged_store_says_so_and_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database, it is a poem about one" * 100)
    engine = connect(path)
    with pytest.raises(BrokenError, match="damaged") as error:
        upgrade(engine, str(path))
    engine.dispose()
    assert str(path) in error.value.then


def test_a_store_without_permission_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    sqlite3.connect(path).close()
    database = Database(connect(tmp_path / "missing" / "store.sqlite"), str(path))
    with pytest.raises(BrokenError, match="cannot be used"), database.writing() as session:
        session.add(CounterRow(name="n", value=0))
        session.flush()
    database.close()
