"""The home: the folder `.rollout/` that holds the store, the key and the host part's files."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.errors import BrokenError, UsageError
from rollout.store.database import FILE, Database, connect
from rollout.store.migrate import upgrade

FOLDER = ".rollout"


class Home:
    """One home on disk; `path` is absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._key = b""

    def database(self) -> Database:
        """The store, its schema that of this program."""
        engine = connect(self.path / FILE)
        upgrade(engine, str(self.path / FILE))
        return Database(engine, str(self.path / FILE))

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
        path = self.path / "key"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        self._key = path.read_bytes()
        return self._key

    def keyed_hash(self, content: bytes) -> str:
        """HMAC-SHA-256 in hex: tells that a value changed, and never what it is."""
        return hmac.new(self.key(), content, hashlib.sha256).hexdigest()


def find(start: Path | None = None) -> Home:
    """The home named by ROLLOUT_HOME, else the nearest `.rollout/` upward; UsageError where there is none."""
    named = os.environ.get("ROLLOUT_HOME")
    if named:
        if not Path(named).is_dir():
            raise UsageError(f"ROLLOUT_HOME={named} is not a folder", then="rollout service add NAME …, or rollout demo")
        return Home(Path(named))
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return Home(folder / FOLDER)
    raise UsageError(
        f"no {FOLDER}/ in {here} or above it",
        then="rollout service add NAME …, rollout service import PATH, or rollout demo",
    )


def find_or_create(start: Path | None = None) -> Home:
    """Like `find`, but makes a home (mode 0700) where there is none. For `service add|import`, `up` and `demo` alone."""
    named = os.environ.get("ROLLOUT_HOME")
    try:
        return find(start)
    except UsageError:
        path = Path(named) if named else (start or Path.cwd()) / FOLDER
    try:
        path.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise BrokenError(f"cannot make the home {path}: {error.strerror}", then="set ROLLOUT_HOME") from error
    return Home(path)
