"""A command on a terminal of its own, for tests: what it drew, what is typed, and whether the terminal was given back."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

LIMIT_S = 90.0
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"
CTRL_C = b"\x03"
ROOT = Path(__file__).parents[1]
_HIDDEN = {"COLUMNS", "LINES", "LC_ALL", "NO_COLOR"}


class Terminal:
    """One `rollout …` that leads the session of a terminal with 24 lines; all that it wrote stands in `told`."""

    def __init__(self, *words: str, columns: int = 80, env: Mapping[str, str] = {}) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in _HIDDEN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollout", *words],
            env={**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", "LANG": "C.UTF-8", **env},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (Ctrl-C needs a terminal of its own)
        )
        os.close(theirs)
        self.told = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                read = os.read(self._ours, 65536)
            except OSError:
                return
            if not read:
                return
            self.told += read.decode(errors="replace")

    def shows(self, text: str) -> None:
        """Wait until it has drawn this."""
        limit = time.monotonic() + LIMIT_S
        while text not in self.told:
            assert time.monotonic() < limit, self.told
            assert self.process.poll() is None, self.told
            time.sleep(0.02)

    def types(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code

    def close(self) -> None:
        """The command is ended where it has not; the terminal is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(LIMIT_S)
        os.close(self._ours)

    @property
    def given_back(self) -> bool:
        """The terminal was left as it was found: its own screen, a cursor."""
        told = self.told
        return told.rfind(LEFT) > told.rfind(ENTERED) >= 0 and told.rfind(SHOWN) > told.rfind(HIDDEN) >= 0
