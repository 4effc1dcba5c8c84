"""A real demo interrupted at a random moment: it says so, the terminal is as it was, and nothing that it started is there."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.demo import leftovers
from tests.terminals import CTRL_C, ENTERED, LEFT, LIMIT_S, ROOT, Terminal


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short path for everything temporary; what a failed test left there is ended."""
    folder = Path(tempfile.mkdtemp(prefix="t-")).resolve()
    yield folder
    leftovers.sweep(folder)


@pytest.fixture
def chance() -> random.Random:
    """Any moment will do: what is asserted holds at every one. A test that fails shows the seed in its output."""
    seed = random.SystemRandom().randrange(10_000)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.timeout(200)
def test_a_demo_that_is_told_to_end_while_it_starts_leaves_nothing(place: Path, chance: random.Random) -> None:
    env = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rollout", "demo", "--json"]
    story, document = place / "story.txt", place / "document.json"
    with story.open("wb") as told, document.open("wb") as printed:
        demo = subprocess.Popen(command, env=env, stdout=printed, stderr=told, start_new_session=True)
    try:
        until(lambda: bool(list(place.glob("rollout-demo-*"))))
        time.sleep(chance.uniform(0, 4))
        os.killpg(demo.pid, signal.SIGTERM)
        assert demo.wait(timeout=LIMIT_S) == 143, story.read_text()
    finally:
        ended(demo)
    result = json.loads(document.read_text())
    assert (result["error"], result["leftovers"]) == ("interrupted", [])
    assert what_is_left(place) == ["document.json", "story.txt"]


@pytest.mark.timeout(200)
def test_ctrl_c_in_the_live_view_gives_the_terminal_back_and_leaves_nothing(place: Path, chance: random.Random) -> None:
    terminal = Terminal("demo", env={"TMPDIR": str(place)})
    try:
        wave = chance.choice(("wave-1", "wave-1", "wave-2"))
        until(lambda: f"{wave} (" in terminal.told.rpartition(ENTERED)[2] if ENTERED in terminal.told else False)
        time.sleep(chance.uniform(0, 4))
        for _ in range(chance.choice((1, 2))):
            terminal.types(CTRL_C)
        assert terminal.ends() == 130, terminal.told
    finally:
        terminal.close()
    assert terminal.given_back, terminal.told[-500:]
    after = terminal.told.rpartition(LEFT)[2]
    assert "wave-1 (trial) begins" in after
    assert "error: interrupted" in after
    assert "everything that it started is gone" in after
    assert what_is_left(place) == []


def ended(demo: "subprocess.Popen[bytes]") -> None:
    if demo.poll() is None:
        demo.kill()
        demo.wait()


def what_is_left(place: Path) -> list[str]:
    """Processes and files."""
    processes = [f"{p.pid} {p.cmdline()}" for p in leftovers.of(place)]
    return processes + sorted(path.name for path in place.iterdir())


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "the demo did not come so far"
        time.sleep(0.02)
