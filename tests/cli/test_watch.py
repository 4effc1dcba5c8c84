"""`status --watch` into a pipe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout.wiring.home import Home
from tests.scenarios.transcript import HERE

LIMIT_S = 60.0


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["lines", "json"])
def test_it_ends_when_its_reader_is_gone_although_nothing_happens(form: list[str], home: Path) -> None:
    Home(home).database().close()
    words = [sys.executable, "-m", "rollout", "status", "--watch", *form]
    env = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as watching:
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline()
            watching.stdout.close()
            assert watching.wait(LIMIT_S) is not None
            assert watching.stderr is not None
            assert b"error" not in watching.stderr.read()
        finally:
            watching.kill()
