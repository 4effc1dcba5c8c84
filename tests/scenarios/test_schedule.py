"""Real scheduler processes: each run once, however many look, wherever one is killed; windows and what was missed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from rollout.executor.ports import ControlKind
from rollout.model.schedule import Missed, Times
from rollout.store import audit
from rollout.store.controls import Ask, Controls
from rollout.store.progress import Progress
from rollout.store.schedules import Schedules, Wish
from rollout.store.tables import JournalRow
from rollout.wiring.home import find
from tests.scenarios.driver import Driver, until
from tests.scenarios.transcript import HERE, run

WAVES, SCHEDULES = 50, 4
"""Together 200 runs that are due at one moment."""
HOUR = timedelta(hours=1)
KILLED = """
import os, signal
from rollout.cli.main import main
from rollout.wiring import schedule

def die(*_args, **_kw):
    os.kill(os.getpid(), signal.SIGKILL)

schedule.tend = die
main(["scheduler"])
"""


@pytest.fixture
def quiet(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NO_COLOR", "1")
    return home


def plan(services: int, **policy: str) -> None:
    """So many Trial services on legacy, each in a wave of its own, with the policy changed by text."""
    fleet = [
        {"name": f"s{n}", "environment": "shop", "customer": "acme", "tier": "trial", "engine": "memory", "command": "run"}
        for n in range(services)
    ]
    Path("fleet.json").write_text(json.dumps({"services": fleet}))
    text = (HERE / "nightly.toml").read_text().replace("size = 5", "size = 1")
    for key, value in policy.items():
        text = "\n".join(f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.splitlines())
    Path("each.toml").write_text(text)
    for line in ("service import fleet.json", "service deploy --all", "policy use each.toml", "plan"):
        assert "error" not in run(f"rollout {line}")


def schedule(wave: int, due: datetime, *, window: timedelta = HOUR, missed: Missed = Missed.RUN) -> None:
    """As `schedule add` does, an hour before it is due: that may be past."""
    times = Times(zone="UTC", window_s=int(window.total_seconds()), at=due.replace(tzinfo=None))
    with find().opened() as database:
        Schedules(database).add(Wish(wave=wave, times=times, missed=missed, by="ann"), now=due - HOUR)


def out_of_order(waves: int) -> None:
    with find().opened() as database:
        for number in range(1, waves + 1):
            ask = Ask(kind=ControlKind.OUT_OF_ORDER, subject=f"wave-{number}", actor="ann", reason="at once")
            Controls(database).write(ask, now=datetime.now(UTC))


def told(*, least: str = "run ") -> Counter[tuple[str, str]]:
    """What the audit has of runs: how often what was said of which wave."""
    with find().opened() as database, database.reading() as session:
        rows = audit.read(session, limit=100_000)
        return Counter((row.what, row.subject) for row in rows if row.what.startswith(least))


def states() -> Counter[str]:
    with find().opened() as database:
        return Counter(wave.state for wave in Progress(database).waves())


def begun() -> Counter[str]:
    """How often each move left `planned`."""
    with find().opened() as database, database.reading() as session:
        rows = session.execute(select(JournalRow.move, JournalRow.changes)).all()
        return Counter(move for move, changes in rows if changes.get("state") == "publishing")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.timeout(300)
def test_of_two_schedulers_each_due_run_has_one(quiet: Path, drivers: Callable[..., Driver]) -> None:
    plan(WAVES, keep_warm='"0s"')
    out_of_order(WAVES)
    due = now() + timedelta(seconds=20)
    for wave in range(1, WAVES + 1):
        for hours in range(1, SCHEDULES + 1):
            schedule(wave, due, window=hours * HOUR)
    both = [drivers("scheduler"), drivers("scheduler", "--beside")]
    for one in both:
        one.says("the scheduler runs")
    limit = time.monotonic() + 240
    while states()["ended"] < WAVES:
        assert time.monotonic() < limit, (states(), [one.err[-5:] for one in both])
        time.sleep(0.5)
    expected = {f"wave-{n}" for n in range(1, WAVES + 1)}
    for what in ("run claimed", "run begun"):
        assert {wave: count for (said, wave), count in told().items() if said == what} == dict.fromkeys(expected, SCHEDULES)
    assert (len(begun()), set(begun().values())) == (WAVES, {1}), "each move began once"
    claims = [sum("claimed" in line for line in one.err) for one in both]
    assert sum(claims) == WAVES * SCHEDULES
    assert all(any("taken over" in line for line in one.err) for one in both), "both had work"


def test_a_scheduler_killed_between_claim_and_begin_leaves_a_run_that_is_taken_up_once(
    quiet: Path, drivers: Callable[..., Driver]
) -> None:
    plan(1)
    schedule(1, now() - timedelta(seconds=5))
    died = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died
    assert told() == {("run claimed", "wave-1"): 1}
    assert states() == {"planned": 1}
    heir = drivers("scheduler")
    until(lambda: states() == {"ended": 1})
    assert "wave-1: nobody drives it, taken over" in heir.err
    assert begun() == {"wave-1/shop/s0": 1}
    until(lambda: told()["run over", "wave-1"] == 1)
    assert told() == {(f"run {state}", "wave-1"): 1 for state in ("claimed", "begun", "over")}


def test_a_run_whose_window_is_over_is_missed_and_told(quiet: Path) -> None:
    plan(1)
    schedule(1, now() - timedelta(hours=3))
    assert "missed: no scheduler ran until its window was over" in run("rollout scheduler --once")
    assert states() == {"planned": 1}
    assert "did not begin: no scheduler ran until its window was over" in run("rollout status")
    listed = run("rollout schedule list")
    assert "its window is over and wave-1 has not begun; next: rollout schedule add wave-1" in listed
    assert "missed: no scheduler ran until its window was over" in listed
    assert "missed" not in run("rollout scheduler --once"), "told once"
    assert "no other one comes" in run("rollout execute wave-1")


def test_a_late_run_begins_while_its_window_is_open_or_waits_for_the_next_as_its_schedule_says(quiet: Path) -> None:
    plan(2)
    out_of_order(2)
    late = now() - timedelta(minutes=10)
    schedule(1, late, missed=Missed.NEXT)
    schedule(2, late)
    said = run("rollout scheduler --once")
    assert "wave-1: run of" in said
    assert "missed: 10 min late: left for the next one" in said
    assert "claimed: 10 min late: no scheduler ran" in said
    with find().opened() as database:
        assert [wave.state for wave in Progress(database).waves()] == ["planned", "ended"]


def test_what_was_missed_for_months_is_told_without_end_of_lines(quiet: Path) -> None:
    plan(1)
    times = Times(zone="Europe/Berlin", window_s=300, cron="*/10 * * * *")
    with find().opened() as database:
        wish = Wish(wave=1, times=times, missed=Missed.RUN, by="ann")
        Schedules(database).add(wish, now=now() - timedelta(days=60))
    said = run("rollout scheduler --once").splitlines()
    assert 100 <= len(said) < 110
    assert re.search(r"until its window was over; and 8\d{3} before it", said[0])


def test_outside_its_window_nobody_begins_a_wave_and_waiting_waits(quiet: Path, drivers: Callable[..., Driver]) -> None:
    plan(1)
    schedule(1, now() + timedelta(days=1))
    assert "[exit 7]" in run("rollout execute wave-1")
    run("rollout execute wave-1 --detach")
    run("rollout scheduler --once")
    assert states() == {"planned": 1}
    waiting = drivers("execute", "wave-1", "--wait", "--yes")
    waiting.says("waiting: it is outside its window: it opens")
    schedule(1, now() + timedelta(seconds=2))
    assert waiting.ends() == 0
    assert begun() == {"wave-1/shop/s0": 1}
    assert told()["run begun", "wave-1"] == 0, "no scheduler has claimed it"


def test_a_schedule_is_not_removed_while_its_wave_runs(quiet: Path, drivers: Callable[..., Driver]) -> None:
    plan(1, bake='"50s"')
    schedule(1, now() - timedelta(seconds=5))
    drivers("scheduler")
    until(lambda: begun() == {"wave-1/shop/s0": 1})
    refused = run("rollout schedule remove 1")
    assert "wave-1 runs in the window of schedule 1" in refused
    assert "[exit 7]" in refused
    assert "[exit 7]" not in run("rollout execute wave-1"), "inside its window it says who drives"


def test_one_that_was_aborted_ends_its_schedule(quiet: Path) -> None:
    plan(1)
    schedule(1, now() + timedelta(days=1))
    run("rollout abort wave-1 --reason 'not now'")
    assert "wave-1 has ended" in run("rollout schedule list")
    assert "schedule 1 has ended: wave-1 has ended" in run("rollout scheduler --once")
    assert "no run is to come" in run("rollout schedule next")
