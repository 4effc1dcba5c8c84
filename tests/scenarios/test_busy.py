"""A process that was suspended while it wrote holds up every writer: they are told who it is and what to do."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.store import database
from tests.scenarios.badness import called, dump

HOLDS = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("update counter set value = value + 1")
print("holds", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of a transaction, suspended."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(database, "BUSY_S", 0.3)
    assert called("service", "add", "shop/api", "--tier", "trial", "--engine", "memory", "--command", "run").code == 0
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(home / "store.sqlite")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


def test_a_suspended_writer_is_named(home: Path, holder: subprocess.Popen[str]) -> None:
    before = dump(home)
    os.kill(holder.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
    said = called("pause").refused(1, f"is busy: process {holder.pid} (", "which is suspended) holds it")
    assert f"kill -CONT {holder.pid}" in said.err
    assert f"kill -KILL {holder.pid}" in said.err
    assert called("status").code == 0
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert dump(home) == before
    assert called("pause").code == 0


def test_a_writer_that_takes_long_is_named(home: Path, holder: subprocess.Popen[str]) -> None:
    called("pause").refused(1, f"is busy: process {holder.pid} (", f"wait for process {holder.pid}, or end it")
