"""A look at the store from outside: nothing is written, and its schema stays as it is."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rollout.store.migrate import KNOWN

LARGEST_CHECKED = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """`schema`: its versions. `newer`: those that this program does not know. `damage`: what SQLite says of it; empty: none."""

    schema: tuple[str, ...]
    newer: tuple[str, ...]
    damage: str
    bytes: int


def library() -> str:
    """The version of SQLite."""
    return sqlite3.sqlite_version


def look(path: Path) -> Checkup:
    """What the file is. A large one (100 MiB) is not read through. Where it cannot be read, that is its damage."""
    size = path.stat().st_size
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as store:
            damage = "" if size > LARGEST_CHECKED else str(store.execute("PRAGMA quick_check(1)").fetchone()[0])
            versions = tuple(sorted(row[0] for row in store.execute("SELECT version_num FROM alembic_version")))
    except sqlite3.Error as error:
        return Checkup(schema=(), newer=(), damage=str(error), bytes=size)
    newer = tuple(version for version in versions if version not in KNOWN)
    return Checkup(schema=versions, newer=newer, damage=damage.removeprefix("ok"), bytes=size)
