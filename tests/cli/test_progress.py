"""A bar is for people who wait: after a second, on a terminal, and gone when the work is done."""

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from rollout.cli import progress
from rollout.cli.progress import working


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def looked_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stderr from now on. No fixture: pytest takes stderr back between a fixture and its test."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "AFTER_S", 0.01)
    return terminal


def test_a_bar_counts_what_is_done_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = looked_at(monkeypatch)
    with working("deploying", 2) as step:
        step()
        until(lambda: "1/2" in stderr.getvalue())
        assert "deploying" in stderr.getvalue()
    assert stderr.getvalue().rfind("\x1b[?25h") > stderr.getvalue().rfind("\x1b[?25l")
    assert stderr.getvalue().endswith("\x1b[2K")


def test_what_is_done_at_once_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = looked_at(monkeypatch)
    monkeypatch.setattr(progress, "AFTER_S", 3600.0)
    with working("planning"):
        pass
    assert stderr.getvalue() == ""


def test_a_pipe_and_a_dumb_terminal_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = looked_at(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with working("planning"):
        pass
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with working("planning"):
        pass
    assert stderr.getvalue() == ""


@pytest.fixture
def usual_term() -> Iterator[None]:
    """SIGTERM ends this process, as it ends a command, whatever other tests left."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("usual_term")
def test_what_ends_the_work_ends_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = looked_at(monkeypatch)
    with pytest.raises(SystemExit) as ended, working("planning"):
        until(lambda: "planning" in stderr.getvalue())
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    assert stderr.getvalue().rfind("\x1b[?25h") > stderr.getvalue().rfind("\x1b[?25l")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
