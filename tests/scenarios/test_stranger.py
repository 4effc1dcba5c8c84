"""What a stranger met on the first tour: services that run nowhere, an answer that is Ctrl-C, sums that must add up."""

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.store.deploys import Deploys
from rollout.wiring import actor
from rollout.wiring.home import Home
from tests.scenarios.badness import ROOT, called, dump
from tests.scenarios.transcript import HERE

LIMIT_S = 40.0
ADD = ("--engine", "memory", "--command", "run")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two services on legacy, one that runs nowhere, and a plan of two waves."""
    home = tmp_path_factory.mktemp("made") / ".rollout"
    home.mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLOUT_HOME", str(home))
        for name, tier in (("shop/api", "trial"), ("shop/web", "hobby"), ("shop/nowhere", "trial")):
            assert called("service", "add", name, "--tier", tier, *ADD).code == 0
        assert called("service", "deploy", "shop/api", "shop/web").code == 0
        assert called("policy", "use", str(HERE / "quick.toml")).code == 0
        assert called("plan").code == 0
    return home


@pytest.fixture
def fleet(made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_COLOR", "1")
    shutil.copytree(made, home, dirs_exist_ok=True)
    return home


def totals() -> dict[str, int]:
    found: dict[str, int] = json.loads(called("status", "--json").out)["status"]["services"]
    return found


def test_what_runs_nowhere_is_not_on_legacy(fleet: Path) -> None:
    assert totals() == {"legacy": 2, "both": 0, "v2": 0, "nowhere": 1}
    assert "services: 2 on legacy, 0 on v2, 1 not running" in called("status").out
    assert "shop/nowhere runs nowhere: there is nothing to bring back" in called("revert", "shop/nowhere").out
    checked = called("finalize", "--check")
    assert checked.code == 7
    assert "2 of 3 services still need the setting" in checked.out
    assert "not running, and on v2 from their next deploy on once the setting is gone: shop/nowhere" in checked.out


def test_what_runs_nowhere_does_not_keep_the_setting(fleet: Path) -> None:
    assert called("execute", "wave-1").code == 0
    assert called("execute", "wave-2").code == 0
    assert called("scheduler", "--once").code == 0
    assert "2 of 3 services are on v2, 1 not running; next: rollout finalize" in called("finalize", "--check").out
    assert called("finalize", "--confirm", "finalize").code == 0
    assert "runs on v2" in called("service", "deploy", "shop/nowhere").out
    assert totals() == {"legacy": 0, "both": 0, "v2": 3, "nowhere": 0}


def test_an_empty_fleet_is_not_invited_to_finalize(home: Path) -> None:
    checked = called("finalize", "--check")
    assert checked.code == 0
    assert "there are no services yet" in checked.out
    assert "next: rollout finalize" not in checked.out


def test_a_plan_prints_also_what_its_ended_waves_did(fleet: Path) -> None:
    plan = called("show", "wave-1").out.split("of ")[1].split(":")[0]
    assert called("execute", "wave-1").code == 0
    done = called("execute", plan)
    assert done.code == 0
    assert "wave-1 has ended: 1 finished" in done.out
    assert "wave-2: 1 finished" in done.out


def test_explain_in_a_paused_wave_names_the_command_that_ends_the_pause(fleet: Path) -> None:
    assert called("pause", "wave-1").code == 0
    told = called("explain", "shop/api").out
    assert "waits for  wave-1 to begin: wave-1 is paused by " in told
    assert "rollout execute" not in told
    assert "whoever runs the rollout: rollout resume wave-1" in told
    assert called("pause").code == 0
    told = called("explain", "shop/api").out
    assert "wave-1 is paused by " in told
    assert "everything is paused by " in told
    assert "rollout resume\n" in told
    assert called("resume").code == called("resume", "wave-1").code == 0
    assert "rollout execute wave-1" in called("explain", "shop/api").out


def test_explain_of_what_runs_nowhere_names_its_last_failure(fleet: Path) -> None:
    with Home(fleet).opened() as database:
        Deploys(database, actor.now).failed("shop/nowhere", "deploy", who="ann", why="it ended with exit code 3")
    told = called("explain", "shop/nowhere").out
    assert ": it ended with exit code 3" in told
    assert "a deploy that succeeds" in told
    assert "rollout service logs shop/nowhere" in told
    assert "deploy failed  by ann: it ended with exit code 3" in called("log", "shop/nowhere").out


def test_a_plain_pause_forgives_no_failure(fleet: Path) -> None:
    assert called("service", "set", "shop/api", "--label", "fault.v2.launch_fails=no such module").code == 0
    assert called("service", "deploy", "shop/api").code == 0
    plan = called("plan").out.split("next: rollout execute ")[1].split()[0]
    assert called("execute", plan).code == 3
    assert called("pause", plan).code == 0
    said = called("resume", plan)
    assert said.code == 0
    assert "no longer count" not in said.out


def test_what_the_scheduler_does_is_told_as_its_work(fleet: Path) -> None:
    assert called("execute", "wave-1", "--detach").code == 0
    assert called("scheduler", "--once").code == 0
    assert "→ launching  by scheduler (" in called("log", "shop/api").out


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollout", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.said = ""

    def until(self, text: str) -> None:
        """It has said this."""
        limit = time.monotonic() + LIMIT_S
        while text not in self.said:
            assert time.monotonic() < limit, self.said
            self._read()

    def ended(self) -> int:
        """Its exit code, everything that it said read."""
        with contextlib.suppress(OSError):
            while self._read():
                pass
        return self.process.wait(LIMIT_S)

    def _read(self) -> bool:
        assert select.select([self._ours], [], [], LIMIT_S)[0], f"nothing more for {LIMIT_S} s after: {self.said}"
        piece = os.read(self._ours, 4096)
        self.said += piece.decode()
        return bool(piece)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        os.close(self._ours)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("words", "question", "number", "code"),
    [
        (("execute", "wave-1"), "Execute wave-1? [y/N]:", signal.SIGINT, 130),
        (("execute", "wave-1"), "Execute wave-1? [y/N]:", signal.SIGTERM, 143),
        (("service", "remove", "shop/nowhere"), "[y/N]:", signal.SIGINT, 130),
    ],
    ids=["execute", "asked to end", "remove"],
)
def test_a_signal_at_a_question_ends_the_command(
    fleet: Path, terminals: list[Terminal], words: tuple[str, ...], question: str, number: signal.Signals, code: int
) -> None:
    before = dump(fleet)
    terminals.append(terminal := Terminal(*words))
    terminal.until(question)
    terminal.process.send_signal(number)
    assert terminal.ended() == code, terminal.said
    assert "interrupted at the question" in terminal.said
    assert "nothing was changed" in terminal.said
    assert dump(fleet) == before
