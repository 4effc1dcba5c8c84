"""What the standard `sqlite3` needs at least for the same rows. Knows nothing of rollout."""

import json
import sqlite3
import sys
import time
from pathlib import Path

PRAGMAS = ("journal_mode=TRUNCATE", "synchronous=FULL", "foreign_keys=ON")


def insert(source: sqlite3.Connection, into: str, tables: list[str]) -> float:
    """A bare `executemany` of the same rows into the same tables, indexes and all, on the same disk, durable."""
    Path(into).unlink(missing_ok=True)
    target = sqlite3.connect(into, isolation_level=None)
    for pragma in PRAGMAS:
        target.execute(f"PRAGMA {pragma}")
    rows = {}
    for table in tables:
        schema = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL", (table,)).fetchall()
        for (statement,) in schema:
            target.execute(statement)
        rows[table] = source.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
    begin = time.perf_counter()
    target.execute("BEGIN IMMEDIATE")
    for table, found in rows.items():
        target.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(found[0]))})", found)
    target.execute("COMMIT")
    seconds = time.perf_counter() - begin
    target.close()
    Path(into).unlink()
    return seconds


def select(source: sqlite3.Connection, query: str) -> float:
    """Every row and column of the query, as tuples."""
    begin = time.perf_counter()
    source.execute(query).fetchall()
    return time.perf_counter() - begin


task = json.loads(sys.argv[1])
connection = sqlite3.connect(task["database"], isolation_level=None)
kind, arguments = task.pop("kind"), {key: value for key, value in task.items() if key != "database"}
print(json.dumps({"seconds": {"insert": insert, "select": select}[kind](connection, **arguments)}))
