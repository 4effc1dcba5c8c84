"""Real driver processes: two at once, killed, interrupted, asked by others; the same command always resumes."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from rollout.store.database import FILE
from rollout.wiring.status import Board
from tests.scenarios.driver import LIMIT_S, Driver, until
from tests.scenarios.transcript import HERE, run

LINE = re.compile(r"\d\d:\d\d:\d\d shop/api  (.+) → (.+)")


@pytest.fixture
def planned(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """One Trial service on legacy, and a plan with a shipped policy of this folder."""
    monkeypatch.setenv("NO_COLOR", "1")

    def plan(policy: str) -> None:
        run("rollout service add shop/api --tier trial --customer acme --engine memory --command run")
        run("rollout service deploy shop/api")
        run(f"rollout policy use {HERE / policy}")
        assert "next: rollout execute wave-1" in run("rollout plan")

    return plan


def status() -> str:
    return run("rollout status")


def suspend_between_commits(process: subprocess.Popen[str], store: Path) -> None:
    """The process stands still and does not hold the store's lock: what it keeps from others then is tested in test_busy.py."""
    for _ in range(200):
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        with closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as held:
            try:
                held.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.02)
            else:
                return
    raise AssertionError("it was always in the middle of a commit")


def test_a_pipe_gets_one_line_per_transition(planned: Callable[[str], None], drivers: Callable[..., Driver]) -> None:
    planned("quick.toml")
    driver = drivers("execute", "wave-1")
    assert driver.ends() == 0, driver.err
    told = [found.groups() for line in driver.out if (found := LINE.fullmatch(line))]
    assert len(told) == len(driver.out) - 1, driver.out
    assert [before for before, _ in told[1:]] == [after for _, after in told[:-1]]
    assert told[0][0] == "planned"
    assert told[-1][1] == "finished"
    assert driver.out[-1] == "wave-1: 1 finished"


def test_json_is_one_event_a_line_and_ends_with_the_report(
    planned: Callable[[str], None], drivers: Callable[..., Driver]
) -> None:
    planned("quick.toml")
    driver = drivers("execute", "wave-1", "--json")
    assert driver.ends() == 0
    assert driver.err == []
    events = [json.loads(line) for line in driver.out]
    assert {event["format_version"] for event in events} == {1}
    moved = [event for event in events if event["event"] == "transition"]
    assert [event["state"] for event in moved][-1] == "finished"
    assert moved[0]["at"].endswith("+00:00")
    assert events[-1]["event"] == "report"
    assert events[-1]["report"]["moved"] == 1


def test_two_orchestrators_at_once(planned: Callable[[str], None], drivers: Callable[..., Driver]) -> None:
    planned("slow.toml")
    first = drivers("execute", "wave-1")
    first.says("→ baking")
    refused = run("rollout execute wave-1")
    assert refused.endswith("[exit 6]\n")
    assert f"process {first.process.pid}: execute wave-1" in refused
    number = re.search(r"rollout store unlock (\d+)", refused)
    assert number
    assert run(f"rollout store unlock {number[1]}").endswith("[exit 6]\n")
    assert f"process {first.process.pid} on " in status()
    assert first.process.poll() is None


def test_a_live_driver_obeys_what_others_say(planned: Callable[[str], None], drivers: Callable[..., Driver]) -> None:
    planned("slow.toml")
    driver = drivers("execute", "wave-1")
    driver.says("→ baking")
    run("rollout pause wave-1 --reason lunch")
    until(lambda: "waits for paused by" in status())
    assert "baking 100 %" in status()
    said = run("rollout revert shop/api --reason slow")
    assert "shop/api is back on legacy and blocked: revert by " in said
    assert "[exit" not in said
    assert driver.ends() == 3
    assert any("baking → falling back: revert by" in line for line in driver.out)


def test_a_killed_driver_is_told_and_the_same_command_resumes(
    planned: Callable[[str], None], drivers: Callable[..., Driver]
) -> None:
    planned("fast_bake.toml")
    driver = drivers("execute", "wave-1")
    driver.says("→ shifting 50 %")
    driver.process.send_signal(signal.SIGKILL)
    assert driver.ends() == -signal.SIGKILL
    first, second, *_ = status().splitlines()
    assert re.fullmatch(r"nobody drives wave-1 since \d\d:\d\d:\d\d, 1 move at (50|100) %; next: rollout execute wave-1", first)
    assert second.endswith("nobody drives")
    again = drivers("execute", "wave-1")
    assert again.ends() == 0, again.err
    assert "going on with wave-1" in again.err
    assert not any("planned →" in line for line in again.out)
    assert again.out[-1].startswith("wave-1: 1 warm, legacy kept until ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_resume(
    planned: Callable[[str], None], drivers: Callable[..., Driver], number: signal.Signals, code: int
) -> None:
    planned("slow.toml")
    driver = drivers("execute", "wave-1")
    driver.says("→ baking")
    driver.process.send_signal(number)
    assert driver.ends() == code
    assert driver.err[-1] == (
        "interrupted, everything is saved and keeps serving; "
        "no scheduler runs, so nobody goes on with wave-1 until: rollout execute wave-1"
    )
    assert driver.out[-1] == "wave-1: nothing has moved · 1 under way"
    assert "nobody drives wave-1 since" in status()


def test_an_interrupted_driver_says_that_the_scheduler_goes_on_and_it_does(
    planned: Callable[[str], None], drivers: Callable[..., Driver]
) -> None:
    planned("slow.toml")
    scheduler = drivers("scheduler")
    scheduler.says("the scheduler runs")
    until(lambda: "a scheduler runs" in status())
    driver = drivers("execute", "wave-1")
    driver.says("→ baking")
    driver.process.send_signal(signal.SIGINT)
    assert driver.ends() == 130
    assert driver.err[-1] == (
        "interrupted, everything is saved and keeps serving; "
        "the scheduler goes on with wave-1 within 2 s: rollout pause wave-1 halts it"
    )
    scheduler.says("wave-1: nobody drives it, taken over")
    assert f"process {scheduler.process.pid} on " in status()


def test_a_wave_interrupted_before_it_began_says_so(planned: Callable[[str], None], drivers: Callable[..., Driver]) -> None:
    planned("slow.toml")
    run("rollout pause wave-1 --reason lunch")
    driver = drivers("execute", "wave-1", "--wait")
    driver.says("waiting: wave-1 is paused")
    driver.process.send_signal(signal.SIGINT)
    assert driver.ends() == 130
    assert driver.err[-1] == "interrupted before wave-1 began, nothing was changed; go on: rollout execute wave-1"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("by", ["scheduler", "execute"])
def test_a_driver_that_was_stopped_for_longer_than_its_lease_changes_nothing_more(
    planned: Callable[[str], None], drivers: Callable[..., Driver], home: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("ROLLOUT_LEASE_S", "3")
    planned("slow.toml")
    first = drivers("execute", "wave-1")
    first.says("→ baking")
    suspend_between_commits(first.process, home / FILE)
    until(lambda: "nobody drives wave-1 since" in status())
    second = drivers("execute", "wave-1") if by == "execute" else drivers("scheduler")
    second.says("going on with wave-1" if by == "execute" else "wave-1: nobody drives it, taken over")
    until(lambda: f"process {second.process.pid} on " in status())
    told = len(first.out)

    def said() -> list[str]:
        """What the log tells, but for how long nobody drove: the new driver may be about to write that."""
        return [line for line in run("rollout log shop/api").splitlines() if "nobody drove it for" not in line]

    log = said()
    first.process.send_signal(signal.SIGCONT)
    assert first.ends() == 6
    assert re.fullmatch(r"error: wave-1: taken over by lease \d+ of .+", first.err[-3]), first.err
    assert first.err[-2:] == ["state: it goes on with its new driver, nothing of it is lost", "next:  rollout status"]
    assert first.out[told:] == []
    assert said() == log
    assert f"process {second.process.pid} on " in status()
    assert second.process.poll() is None


def test_a_plan_that_is_interrupted_in_its_second_wave_goes_on_there(
    home: Path, drivers: Callable[..., Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("a", "b"):
        run(f"rollout service add shop/{name} --tier trial --customer {name} --engine memory --command run")
    run("rollout service deploy --all")
    policy = (HERE / "fast_bake.toml").read_text().replace("first = 2\nsize = 2", "first = 1\nsize = 1", 1)
    Path("waves.toml").write_text(policy.replace('step = "3s"', 'step = "1s"'))
    run("rollout policy use waves.toml")
    plan = re.search(r"plan-[0-9a-f]{8}", run("rollout plan"))
    assert plan
    driver = drivers("execute", plan[0])
    driver.says("wave-1: 1 warm")
    driver.says("→ shifting 50 %")
    until(lambda: sum("→ shifting 50 %" in line for line in driver.out) == 2)
    driver.process.send_signal(signal.SIGINT)
    assert driver.ends() == 130
    assert driver.err[-1].endswith("so nobody goes on with wave-2 until: rollout execute wave-2")
    again = drivers("execute", plan[0])
    assert again.ends() == 0
    assert "going on with wave-2" in again.err
    assert [line for line in again.out if line.startswith("wave-")][-1].startswith("wave-2: 1 warm, legacy kept until ")
    assert not any("planned →" in line for line in again.out)


def test_the_scheduler_takes_over_what_nobody_drives(planned: Callable[[str], None], drivers: Callable[..., Driver]) -> None:
    planned("quick.toml")
    assert "left to the scheduler" in run("rollout execute wave-1 --detach")
    scheduler = drivers("scheduler")
    until(lambda: "wave-1  trial  ended  1 of 1 moved" in status())
    until(lambda: "1 on v2" in status() and not Board().status().items)
    assert "a scheduler runs" in status()
    second = run("rollout scheduler --once")
    assert second.endswith("[exit 6]\n")
    scheduler.process.send_signal(signal.SIGTERM)
    assert scheduler.ends() == 0, scheduler.err


def test_a_terminal_is_asked_and_gets_a_live_view(planned: Callable[[str], None]) -> None:
    planned("quick.toml")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(
        [sys.executable, "-m", "rollout", "execute", "wave-1"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        told = ""
        answered = False
        while True:
            try:
                read = os.read(ours, 65536)
            except OSError:
                break
            if not read:
                break
            told += read.decode(errors="replace")
            if not answered and "Execute wave-1?" in told:
                os.write(ours, b"y\n")
                answered = True
        assert process.wait(LIMIT_S) == 0, told
    os.close(ours)
    assert answered
    assert "1 service goes from legacy to v2" in told
    assert "\x1b[" in told
    assert "wave-1: 1 finished" in told
