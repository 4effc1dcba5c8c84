"""The names that the DNS server answers: one small file per name, replaced whole, read at every question.

One file per name, and not one for all: publishing costs the same among ten names and among a hundred thousand, nothing has
to be watched or pushed, and the DNS server holds no state that could be stale.
"""

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import BrokenError

NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads."""

    address: str
    port: int


class NamesFolder:
    """Fulfils `host.ports.Names` in `folder` (0700). Safe to call from many threads.

    Not flushed to disk: after a reboot `rollout up` publishes every name again.
    """

    def __init__(self, folder: Path, dns: str) -> None:
        self.folder = folder
        self.dns = dns
        self._lock = threading.Lock()
        self._known: dict[str, Place] = {}
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def publish(self, name: str, address: str, port: int) -> None:
        """The name leads to the place from return on. BrokenError when it cannot be written: the old answer stands."""
        key, place = _key(name), Place(address, port)
        with self._lock:
            if self._known.get(key) == place and (self.folder / key).exists():
                return
            draft = self.folder / f".{key}"
            try:
                draft.write_text(f"{address} {port}\n", encoding="ascii")
                draft.replace(self.folder / key)
            except OSError as error:
                raise _unwritable(self.folder / key, error) from error
            self._known[key] = place

    def withdraw(self, name: str) -> None:
        """The name is unknown from return on. Idempotent."""
        key = _key(name)
        with self._lock:
            self._known.pop(key, None)
            try:
                (self.folder / key).unlink(missing_ok=True)
            except OSError as error:
                raise _unwritable(self.folder / key, error) from error

    def address(self) -> str:
        """`host:port` of the DNS server."""
        return self.dns


def find(folder: str | os.PathLike[str], name: str) -> Place | None:
    """Where the name leads now; None for an unknown name. ValueError for a file that nobody here wrote."""
    key = name.rstrip(".").lower()
    if len(key) > LONGEST or not NAME.fullmatch(key):
        return None
    try:
        with open(os.path.join(folder, key), encoding="ascii") as file:
            address, port = file.read().split()
    except FileNotFoundError:
        return None
    return Place(address, int(port))


def _key(name: str) -> str:
    key = name.rstrip(".").lower()
    if len(key) > LONGEST or not NAME.fullmatch(key):
        raise BrokenError(f"{name!r} cannot be a DNS name", then="use letters, digits and hyphens")
    return key


def _unwritable(path: Path, error: OSError) -> BrokenError:
    return BrokenError(
        f"cannot write the name {path}: {error.strerror}",
        state="names answer as before",
        then="free some space, or look at the permissions, and run the same command again",
    )
