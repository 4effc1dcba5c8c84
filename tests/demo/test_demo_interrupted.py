"""Ctrl-C at a random moment of a real demo: the document says so, and nothing that it started is there afterwards."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.demo import leftovers

LIMIT_S = 90.0


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path for everything temporary; what a failed test left there is ended."""
    folder = Path(tempfile.mkdtemp(prefix="t-")).resolve()
    yield folder
    leftovers.sweep(folder)


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("signal_sent", "code", "latest_line"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 60)],
    ids=["Ctrl-C while it starts", "TERM somewhere in the waves"],
)
def test_an_interrupted_demo_leaves_nothing(place: Path, signal_sent: signal.Signals, code: int, latest_line: int) -> None:
    seed = random.SystemRandom().randrange(10_000)
    chance = random.Random(seed)
    env = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "rollout", "demo", "--json"]
    story, document = place / "story.txt", place / "document.json"
    with story.open("wb") as told, document.open("wb") as printed:
        demo = subprocess.Popen(command, env=env, stdout=printed, stderr=told, start_new_session=True)
    try:
        if latest_line:
            wanted = chance.randint(12, latest_line)
            until(lambda: len(story.read_text().splitlines()) >= wanted or demo.poll() is not None)
        else:
            until(lambda: bool(list(place.glob("rollout-demo-*"))))
            time.sleep(chance.uniform(0, 4))  # any moment will do: what is asserted holds at every one
        os.killpg(demo.pid, signal_sent)  # as a terminal does: the whole group hears it
        assert demo.wait(timeout=LIMIT_S) == code, f"seed {seed}: {story.read_text()}"
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
    result = json.loads(document.read_text())
    assert (result["error"], result["leftovers"]) == ("interrupted", []), f"seed {seed}"
    assert [f"{p.pid} {p.cmdline()}" for p in leftovers.of(place)] == [], f"seed {seed}"
    assert sorted(path.name for path in place.iterdir()) == ["document.json", "story.txt"], f"seed {seed}"


def until(condition: object) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "the demo did not come so far"
        time.sleep(0.02)
