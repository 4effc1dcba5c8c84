"""The home: the folder `.rollout/` that holds the store, the key and the host part's files."""

import contextlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.errors import BrokenError, UsageError
from rollout.store.database import FILE, WAY_BACK, Database, connect
from rollout.store.migrate import upgrade
from rollout.wiring import where
from rollout.wiring.where import NAMED

FOLDER = where.FOLDER
KEY = "key"
KEY_BYTES = 32


class Home:
    """One home on disk; `path` is absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._key = b""

    def database(self) -> Database:
        """The store, its schema that of this program. BrokenError where it was lost, is damaged or cannot be used."""
        where = self.path / FILE
        if self._was_lost(where):
            raise BrokenError(
                f"the store {where} is {'empty' if where.exists() else 'gone'}",
                state="no new one was made in its place; services keep serving",
                then=f"put {FILE} back from a backup; {WAY_BACK}; to begin anew: rollout down, then move {self.path} away",
            )
        engine = connect(where)
        upgrade(engine, str(where))
        return Database(engine, str(where))

    def _was_lost(self, where: Path) -> bool:
        """The home had a store: its key is made after it."""
        try:
            return (self.path / KEY).is_file() and (not where.exists() or where.stat().st_size == 0)
        except OSError as error:
            raise BrokenError(f"cannot look into {self.path}: {error.strerror}", then="look at its permissions") from error

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """The store, closed afterwards."""
        database = self.database()
        try:
            yield database
        finally:
            database.close()

    def key(self) -> bytes:
        """The key of keyed hashes (32 bytes, 0600), made on first use; read once, since a fleet is hashed in bulk."""
        if self._key:
            return self._key
        path = self.path / KEY
        try:
            if not path.exists():
                _write_key(path)
            self._key = path.read_bytes()
        except OSError as error:
            then = f"look at the permissions of {path}, or free some space"
            raise BrokenError(f"the key {path} cannot be used: {error.strerror}", then=then) from error
        if len(self._key) != KEY_BYTES:
            raise BrokenError(f"the key {path} is damaged", then=f"put {path} back from a backup")
        return self._key

    def keyed_hash(self, content: bytes) -> str:
        """HMAC-SHA-256 in hex: tells that a value changed, and never what it is."""
        return hmac.digest(self.key(), content, "sha256").hex()


def _write_key(path: Path) -> None:
    """A whole key, or none: it is written beside and linked, so that the first of two processes makes it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def find(start: Path | None = None) -> Home:
    """The home named by ROLLOUT_HOME, else the nearest `.rollout/` upward; UsageError where there is none."""
    found = where.folder(start)
    if found is not None:
        return Home(found)
    if named := os.environ.get(NAMED):
        raise UsageError(f"{NAMED}={named} is not a folder", then="rollout service add NAME …, or rollout demo")
    here = (start or Path.cwd()).resolve()
    raise UsageError(
        f"no {FOLDER}/ in {here} or above it",
        then="rollout service add NAME …, rollout service import PATH, or rollout demo",
    )


def find_or_create(start: Path | None = None) -> Home:
    """Like `find`, but makes a home (mode 0700) where there is none. For `service add|import`, `up` and `demo` alone."""
    named = os.environ.get(NAMED)
    try:
        return find(start)
    except UsageError:
        path = Path(named) if named else (start or Path.cwd()) / FOLDER
    try:
        path.mkdir(mode=0o700, parents=True)
    except OSError as error:
        there = " (there is a file of that name)" if path.is_file() else ""
        then = "move it away, or set ROLLOUT_HOME to a folder that this user can write"
        raise BrokenError(f"cannot make the home {path}: {error.strerror}{there}", then=then) from error
    return Home(path)
