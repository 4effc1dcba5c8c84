"""The kernel's limit of inotify instances for each user: every `wireguard-go` takes one, and there are 128 as a rule.

Raised where it is reached, by root alone; noted first, and put back when the private network is closed. Whoever has more by then
keeps them, and another home that wants more raises it again.
"""

from pathlib import Path

from rollout.network.mesh.state import write_durably

SETTING = "fs.inotify.max_user_instances"
FILE = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH = 8192


class Watches:
    """`note`: the file that says how it was before; it stands as long as we have changed it."""

    def __init__(self, note: Path, limit: Path = FILE) -> None:
        self._note = note
        self._limit = limit

    def more(self) -> bool:
        """There are more now than there were; False where there are enough already, or where we may not."""
        try:
            before = int(self._limit.read_text(encoding="ascii"))
            if before >= ENOUGH:
                return False
            if not self._note.exists():
                write_durably(self._note, f"{before}\n".encode())
            self._limit.write_text(f"{ENOUGH}\n", encoding="ascii")
        except (OSError, ValueError):
            return False
        return True

    def put_back(self) -> None:
        """As it was before, unless somebody else has changed it meanwhile. Idempotent; where we may not it stays."""
        try:
            before = self._note.read_text(encoding="ascii")
            if int(self._limit.read_text(encoding="ascii")) == ENOUGH:
                self._limit.write_text(before, encoding="ascii")
            self._note.unlink()
        except (OSError, ValueError):
            return
