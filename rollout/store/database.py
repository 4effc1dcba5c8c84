"""Opening the store: SQLite in the home, durable, with one schema version that is checked before anything is read."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import Session

from rollout.errors import BrokenError, RolloutError, TransientError
from rollout.store import names
from rollout.store.encoded import serialize

FILE = names.FILE
BUSY_S = 30.0
CACHE_KIB = 65_536
"""How much of the file SQLite may keep in memory. An index of a million services is larger than its usual 2 MB."""
WAY_BACK = "a service that must go back now: rollout revert SERVICE --without-store"
Transaction = Session
"""What `reading()` and `writing()` hand out: callers above the store pass it on and know nothing else of it."""


def connect(path: Path) -> Engine:
    """An engine on the SQLite file `path` (made by its first use). Durable: synchronous=FULL, journal_mode=TRUNCATE.

    TRUNCATE and not WAL: SQLite before 3.51.3 can corrupt a WAL that two connections reset (DESIGN section 6).
    """
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        json_serializer=serialize,
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=TRUNCATE", "synchronous=FULL", "foreign_keys=ON", f"cache_size={-CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


class Database:
    """The store of one home. `reading()` and `writing()` give sessions; a writing one holds the write lock from its start."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where
        self._writer = engine.execution_options(begin="IMMEDIATE")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the store."""
        with translated(self.where), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are durable on return, or none of them happened."""
        with translated(self.where), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """All connections are closed."""
        self.engine.dispose()


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of the database become errors for people; `where` names the file."""
    try:
        yield
    except OperationalError as error:
        raise _operational(str(error.orig), where) from error
    except DatabaseError as error:
        if "malformed" in str(error.orig) or "not a database" in str(error.orig):
            raise BrokenError(
                f"the store {where} is damaged: {error.orig}",
                state="nothing was written; services keep serving",
                then=f"move {where} away and put a backup in its place; {WAY_BACK}",
            ) from error
        raise


def _operational(text: str, where: str) -> RolloutError:
    if "locked" in text:
        return _busy(where)
    if "full" in text:
        return BrokenError(
            f"the disk of the store {where} is full",
            state="the last change was not written; services keep serving",
            then=f"free some space and run the same command again; {WAY_BACK}",
        )
    then = f"look at {where} and its folder: this user must be able to write there; {WAY_BACK}"
    return BrokenError(f"the store {where} cannot be used: {text}", then=then)


def _busy(where: str) -> RolloutError:
    """Who keeps the store busy, as far as the system tells."""
    # Loaded here because a store is hardly ever busy for so long, and what looks for processes takes a while to load.
    from rollout.store.holders import holders, told  # noqa: PLC0415

    found = holders(where)
    if not found:
        return TransientError(f"the store {where} is busy", then="rollout status tells who drives; run the same command again")
    who, then = told(found[0])
    return TransientError(f"the store {where} is busy: {who} holds it", then=f"{then}, then run the same command again")
