"""The live view in a real pseudo-terminal: a second process pauses the wave, and the view says who it was; then it is gone."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.transcript import HERE, run

LIMIT_S = 60.0
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """One `rollout …` on a terminal of 100 columns and 24 lines; all that it wrote."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "LC_ALL"}}
        environment |= {"PYTHONPATH": str(HERE.parents[1]), "TERM": "xterm", "LANG": "C.UTF-8"}
        command = [sys.executable, "-m", "rollout", *words]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
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

    def ends(self) -> int:
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(LIMIT_S)
        os.close(self._ours)


@pytest.fixture
def terminals(home: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*words: str) -> Terminal:
        opened.append(Terminal(*words))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


@pytest.fixture
def planned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("rollout service add shop/api --tier trial --customer acme --engine memory --command run")
    run("rollout service deploy shop/api")
    run(f"rollout policy use {HERE / 'slow.toml'}")
    assert "next: rollout execute wave-1" in run("rollout plan")
    monkeypatch.setenv("LOGNAME", "anna")


def is_clean(told: str) -> bool:
    """The terminal is left as it was found: its own screen, a cursor."""
    return told.rfind(LEFT) > told.rfind(ENTERED) >= 0 and told.rfind(SHOWN) > told.rfind(HIDDEN) >= 0


@pytest.mark.usefixtures("planned")
def test_a_second_process_pauses_the_wave_and_the_view_says_who_it_was(terminals: Callable[..., Terminal]) -> None:
    driver = terminals("execute", "wave-1", "--yes")
    driver.shows("baking 100 %")
    watcher = terminals("status", "--watch")
    watcher.shows("full weight to be watched")
    pausing = terminals("pause", "wave-1", "--reason", "lunch")
    assert pausing.ends() == 0
    for view in (driver, watcher):
        view.shows("wave-1 paused by anna@")
        view.shows("unknown: paused")
        view.shows("paused by anna: lunch")
    assert terminals("resume", "wave-1").ends() == 0
    for view in (driver, watcher):
        view.shows("wave-1 resumed by anna@")
    driver.process.send_signal(signal.SIGINT)
    watcher.process.send_signal(signal.SIGINT)
    assert (driver.ends(), watcher.ends()) == (130, 130)
    assert is_clean(driver.told), driver.told[-500:]
    assert is_clean(watcher.told), watcher.told[-500:]
    assert "interrupted, everything is saved" in driver.told.rpartition(LEFT)[2]


@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_watch_that_is_told_to_end_leaves_the_terminal_clean(
    terminals: Callable[..., Terminal], number: signal.Signals, code: int
) -> None:
    watcher = terminals("status", "--watch")
    watcher.shows("wave-1")
    watcher.process.send_signal(number)
    assert watcher.ends() == code
    assert is_clean(watcher.told), watcher.told[-500:]
