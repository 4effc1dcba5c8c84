"""Every command line that README.md shows was run: in its order, in one fresh home, on real processes, each ending with 0.

Only what the README takes for granted stands between: TAKEN_FOR_GRANTED. A call that it names inside a sentence is run with the
words that it leaves out: IN_SENTENCES. What is run by another test stands in ELSEWHERE.
"""

import re
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.runtimes.images.image import here
from tests.house.test_readme import README, code_lines
from tests.runtimes.images.builder import made
from tests.scenarios.badness import called
from tests.scenarios.driver import Driver
from tests.scenarios.transcript import HERE

ROOT = HERE.parents[1]
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/rollout demo": (
        "tests/demo/test_first_command.py",
        "command = first_command()",
    ),
    "tests/run": (".ci/run", "bash tests/run"),
    "rollout demo --json": ("tests/demo/test_first_command.py", "{command} --json"),
    "rollout demo --engine containers": ("tests/demo/test_demo_containers.py", '"demo", "--engine", name'),
}
"""Line → the file that runs it, and where in it: a whole demo in a clean clone, and what runs this very test."""

SAMPLE = "wave-3 (pro) begins"
"""The block of the README that begins so is not typed: it is what a wave looks like."""

TAKEN_FOR_GRANTED = {
    "rollout plan": ("policy use quick.toml",),  # the one that comes first watches a move for some twenty minutes, as it says
    "rollout schedule add wave-2": (
        "service add bye --tier hobby --health-path / -- python3 -m http.server '$PORT'",
        "service deploy bye",
        "plan",
    ),
    "rollout finalize": ("schedule remove wave-2", "plan", "execute {plan}"),
}
"""The beginning of a line → what was done before it."""

IN_SENTENCES = {
    "rollout up --no-scheduler": ("up --no-scheduler",),
    "rollout status --watch": ("status --watch",),
    "rollout service import": ("service export --out fleet.toml", "service import fleet.toml"),
    "rollout service export": ("service export",),
    "rollout explain": ("explain hello", "explain hello --numbers"),
    "rollout revert": ("revert hello",),
    "rollout retry": ("retry hello",),
    "rollout pin": ("pin hello --reason 'a trade fair'",),
    "rollout unpin": ("unpin hello",),
    "rollout policy show": ("policy show",),
    "rollout finalize": ("finalize --confirm finalize",),
    "rollout down": ("down --yes",),
    "rollout up": ("up",),
    "rollout report": ("report", "report --html report.html"),
    "rollout doctor": ("doctor",),
    "rollout doctor --clean": ("doctor --clean --yes",),
    "rollout environment set ENVIRONMENT --egress open": ("environment set production --egress open",),
    "rollout environment list": ("environment list",),
    "rollout image show PATH": ("image show app",),
    "rollout image list": ("image list",),
    "rollout image prune": ("image prune --yes",),
}
"""A call inside a sentence → what is run for it: with a name, a reason, or an answer where there is no terminal."""


def blocks() -> list[str]:
    """The lines that stand alone, without the sample."""
    lines = [line for line in code_lines() if line]
    begin = lines.index(SAMPLE)
    end = next(at for at in range(begin, len(lines)) if lines[at].startswith("wave-3 (pro): "))
    return lines[:begin] + lines[end + 1 :]


def shown() -> list[str]:
    """Every command line, alone or in a sentence, in the order of the README."""
    text = " ".join(README.split())
    named = re.findall(r"`(rollout [^`]+)`", text)
    places = {line: text.index(" ".join(line.split())) for line in blocks()}
    places |= {line: text.index(f"`{line}`") for line in named}
    return sorted(places, key=lambda line: places[line])


def test_all_that_stands_alone_is_a_command_line() -> None:
    assert [line for line in blocks() if not line.startswith("rollout ") and line not in ELSEWHERE] == []


def test_each_line_is_run_here_or_elsewhere() -> None:
    alone = {line for line in blocks() if line not in ELSEWHERE}
    assert set(shown()) - alone == set(IN_SENTENCES) | set(ELSEWHERE)
    for file, where in ELSEWHERE.values():
        assert where in (ROOT / file).read_text()


class Typed:
    """A person who types; `plan` is the newest one, and every line must end with 0."""

    def __init__(self, drivers: Callable[..., Driver]) -> None:
        self.plan = ""
        self.drivers = drivers

    def __call__(self, line: str) -> str:
        words = shlex.split(line.format(plan=self.plan))
        if "--watch" in words:
            return self.watched(*words)
        said = called(*words)
        assert (said.code, "error:" in said.err) == (0, False), f"rollout {line}\n{said.out}{said.err}"
        self.plan = next(iter(re.findall(r"(?m)^plan-[0-9a-f]{8}", said.out)), self.plan)
        return said.out

    def watched(self, *words: str) -> str:
        """What is on until Ctrl-C."""
        driver = self.drivers(*words)
        driver.says("services: ")
        driver.process.send_signal(signal.SIGINT)
        assert driver.ends() == 130, driver.err  # by Ctrl-C
        return "\n".join(driver.out)


@pytest.fixture
def typed(home: Path, drivers: Callable[..., Driver]) -> Iterator[Typed]:
    home.rmdir()
    shutil.copy(HERE / "quick.toml", home.parent)
    made(home.parent / "app", platform={"os": here().os, "architecture": here().architecture})
    yield Typed(drivers)
    assert called("down", "--yes").code == 0


@pytest.mark.timeout(300)
def test_every_line_in_its_order(typed: Typed, tmp_path: Path) -> None:
    told: dict[str, str] = {}
    for line in shown():
        if line in ELSEWHERE:
            continue
        for beginning, before in TAKEN_FOR_GRANTED.items():
            for one in before if line.startswith(beginning) else ():
                typed(one)
        for one in IN_SENTENCES.get(line, (line.removeprefix("rollout "),)):
            told[one] = typed(one)
    assert "1 finished" in told["execute wave-1"]
    assert "0 on legacy, 1 on v2" in told["status"]
    assert "wave-2" in told["schedule next"]
    assert "is back on legacy" in told["revert hello"]
    assert "written off" in told["finalize --confirm finalize"]
    assert "<html" in (tmp_path / "report.html").read_text()
    assert "2 on v2" in typed("status")
