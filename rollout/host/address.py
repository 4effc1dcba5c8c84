"""Where the host part's socket is: in the home, or, where that path is too long for a socket, in a short folder of its own."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from rollout.errors import BrokenError

LONGEST = 100
"""Bytes that every system allows in the path of a Unix socket (Linux 107, macOS 103)."""


class Address:
    """The socket of the host part whose files are in `folder`. The short folder's name is written in `folder/socket.path`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pointer = folder / "socket.path"

    def path(self) -> Path | None:
        """Where to connect; None where no host part has made a place yet."""
        near = self.folder / "socket"
        if _fits(near):
            return near
        try:
            return Path(self._pointer.read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None

    def prepare(self) -> Path:
        """Where to listen: a folder that only we can enter, nothing of this name in it."""
        path = self.path()
        if path is None or (path.parent != self.folder and not _ours(path.parent)):
            path = Path(tempfile.mkdtemp(prefix="rollout-")) / "socket"
            self._pointer.write_text(f"{path}\n", encoding="utf-8")
        if not _fits(path):
            raise BrokenError(f"no place for a socket: {path} is too long", then="set TMPDIR to a short path")
        path.unlink(missing_ok=True)
        return path

    def remove(self) -> None:
        """No socket and no short folder is left. Idempotent."""
        path = self.path()
        if path is None:
            return
        path.unlink(missing_ok=True)
        if path.parent != self.folder:
            shutil.rmtree(path.parent, ignore_errors=True)
        self._pointer.unlink(missing_ok=True)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST


def _ours(folder: Path) -> bool:
    try:
        facts = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid() and stat.S_IMODE(facts.st_mode) == 0o700
