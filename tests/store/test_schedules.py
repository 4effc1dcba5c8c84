"""Schedules in the store: what stands, and that a run is claimed once, whoever claims it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.errors import UsageError
from rollout.model.schedule import Missed, Run, RunState, Schedule, Times, Window
from rollout.store import audit
from rollout.store.database import Database, connect
from rollout.store.migrate import upgrade
from rollout.store.schedules import Schedules, Wish
from rollout.store.tables import PlanRow, WaveRow

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NIGHTLY = Times(zone="UTC", window_s=7200, cron="0 2 * * *")


def opened(folder: Path) -> Database:
    engine = connect(folder / "store.sqlite")
    upgrade(engine, "store.sqlite")
    return Database(engine, "store.sqlite")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = opened(tmp_path)
    when = NOW.isoformat()
    with database.writing() as session:
        session.add(
            PlanRow(id="plan-1", sha256="", content="", created=when, expires=when, body="{}", stored=when, stored_by="ann")
        )
        session.flush()
        session.add_all(WaveRow(number=n, plan="plan-1", position=n, tier="trial", size=1, state="planned") for n in (1, 2))
    yield database
    database.close()


@pytest.fixture
def schedule(database: Database) -> Schedule:
    return Schedules(database).add(Wish(wave=1, times=NIGHTLY, missed=Missed.RUN, by="ann"), now=NOW)[0]


def run(schedule: Schedule, day: int, state: RunState = RunState.CLAIMED) -> Run:
    due = datetime(2026, 11, day, 2, tzinfo=UTC)
    window = Window(start=due, end=due + timedelta(hours=2))
    return Run(schedule=schedule.id, wave=1, window=window, state=state, by="ann", at=due)


def test_the_same_schedule_twice_is_unchanged(database: Database, schedule: Schedule) -> None:
    schedules = Schedules(database)
    assert schedules.add(Wish(wave=1, times=NIGHTLY, missed=Missed.RUN, by="bob"), now=NOW) == (schedule, False)
    other, new = schedules.add(Wish(wave=1, times=NIGHTLY, missed=Missed.NEXT, by="bob"), now=NOW)
    assert new
    assert [one.id for one in schedules.standing(1)] == [schedule.id, other.id]
    assert schedules.standing(2) == []


def test_what_has_ended_binds_no_more_and_may_be_wished_for_again(database: Database, schedule: Schedule) -> None:
    schedules = Schedules(database)
    assert schedules.end(schedule.id, who="ann", why="removed by ann", now=NOW)
    assert not schedules.end(schedule.id, who="ann", why="again", now=NOW)
    assert schedules.standing() == []
    assert [one.why_ended for one in schedules.ended(NOW)] == ["removed by ann"]
    assert schedules.add(Wish(wave=1, times=NIGHTLY, missed=Missed.RUN, by="ann"), now=NOW)[1]
    with pytest.raises(UsageError, match="there is no schedule 99"):
        schedules.get(99)


def test_a_run_is_claimed_once(database: Database, schedule: Schedule) -> None:
    schedules = Schedules(database)
    assert schedules.claim(schedule, [run(schedule, 2, RunState.MISSED), run(schedule, 3)], now=NOW)
    assert not schedules.claim(schedule, [run(schedule, 3)], now=NOW)
    assert not schedules.claim(schedule, [run(schedule, 3), run(schedule, 4)], now=NOW), "all of them, or none"
    assert [one.window.start.day for one in schedules.open_runs(1)] == [3]
    assert [one.window.start.day for one in schedules.missed(NOW)] == [2]
    assert schedules.get(schedule.id).settled == datetime(2026, 11, 3, 2, tzinfo=UTC)
    with database.reading() as session:
        told = [(row.what, row.subject) for row in audit.read(session)]
    assert told == [("schedule 1", "wave-1"), ("run missed", "wave-1"), ("run claimed", "wave-1")]


def test_of_many_who_claim_at_once_one_gets_each_run(tmp_path: Path, database: Database, schedule: Schedule) -> None:
    got: list[int] = []

    def claim() -> None:
        mine = opened(tmp_path)
        got.extend(day for day in range(1, 11) if Schedules(mine).claim(schedule, [run(schedule, day)], now=NOW))
        mine.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got) == list(range(1, 11))


def test_a_run_of_a_schedule_that_was_removed_cannot_be_claimed(database: Database, schedule: Schedule) -> None:
    schedules = Schedules(database)
    schedules.end(schedule.id, who="ann", why="removed", now=NOW)
    assert not schedules.claim(schedule, [run(schedule, 2)], now=NOW)
    assert schedules.open_runs() == []


def test_a_run_changes_only_from_the_state_in_which_it_was_seen(database: Database, schedule: Schedule) -> None:
    schedules = Schedules(database)
    schedules.claim(schedule, [run(schedule, 2)], now=NOW)
    seen = schedules.open_runs(1)
    assert schedules.change(seen, RunState.BEGUN, now=NOW) == 1
    assert schedules.change(seen, RunState.BEGUN, now=NOW) == 0, "somebody has begun it"
    assert schedules.change(schedules.open_runs(1), RunState.OVER, note="1 of 1 moved", now=NOW) == 1
    last = schedules.last_run(schedule.id)
    assert last is not None
    assert (last.state, last.note) == (RunState.OVER, "1 of 1 moved")
    assert schedules.open_runs() == []
