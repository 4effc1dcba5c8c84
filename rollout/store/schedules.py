"""Schedules of waves and their runs. A run is claimed by writing its row: its key is the schedule and the due time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from rollout.errors import UsageError
from rollout.model.plain import from_plain, to_plain
from rollout.model.schedule import Missed, Run, RunState, Schedule, Times, Window
from rollout.store import audit
from rollout.store.database import Database
from rollout.store.schedule_tables import RunRow, ScheduleRow
from rollout.store.tables import WaveRow
from rollout.store.waves import PLANNED, RUNNING, STOPPED

OPEN = (RunState.CLAIMED, RunState.BEGUN)
OPEN_WAVES = (PLANNED, RUNNING, STOPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A schedule that is wished for."""

    wave: int
    times: Times
    missed: Missed
    by: str
    reason: str = ""


class Schedules:
    """The schedules of one store. Every change has its audit line in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, wish: Wish, *, now: datetime) -> tuple[Schedule, bool]:
        """The schedule stands; and whether it is new: asking again for what stands changes nothing."""
        with self._database.writing() as session:
            for row in session.exec(_standing().where(ScheduleRow.wave == wish.wave)).all():
                found = to_schedule(row)
                if (found.times, found.missed) == (wish.times, wish.missed):
                    return found, False
            row = ScheduleRow(
                wave=wish.wave,
                times=to_plain(wish.times),
                missed=wish.missed,
                by=wish.by,
                reason=wish.reason,
                created=_text(now),
                settled=_text(now),
            )
            session.add(row)
            session.flush()
            audit.append(session, _line(row, "schedule", who=wish.by, why=wish.reason, after=row.times), now)
            return to_schedule(row), True

    def end(self, number: int, *, who: str, why: str, now: datetime) -> bool:
        """The schedule binds its wave no more; whether it did until now."""
        with self._database.writing() as session:
            row = _row(session, number)
            if row.ended is not None:
                return False
            row.ended, row.why_ended = _text(now), why
            session.add(row)
            audit.append(session, _line(row, "schedule ended", who=who, why=why, before=row.times), now)
            return True

    def get(self, number: int) -> Schedule:
        """One schedule, standing or ended. UsageError for an unknown number."""
        with self._database.reading() as session:
            return to_schedule(_row(session, number))

    def standing(self, wave: int | None = None) -> Sequence[Schedule]:
        """Schedules that bind their waves, or one wave, by number."""
        query = _standing() if wave is None else _standing().where(ScheduleRow.wave == wave)
        with self._database.reading() as session:
            return [to_schedule(row) for row in session.exec(query).all()]

    def ended(self, since: datetime) -> Sequence[Schedule]:
        """Schedules that have ended since then, by number."""
        query = select(ScheduleRow).where(col(ScheduleRow.ended) >= _text(since)).order_by(col(ScheduleRow.id))
        with self._database.reading() as session:
            return [to_schedule(row) for row in session.exec(query).all()]

    def claim(self, schedule: Schedule, runs: Sequence[Run], *, now: datetime) -> bool:
        """These runs are in the store as they are given; False where another process had one of them, or the schedule has
        ended meanwhile, and nothing was written. Runs of the schedule that were due until the last of them are settled.
        """
        try:
            with self._database.writing() as session:
                row = _row(session, schedule.id)
                if row.ended is not None:
                    return False
                session.add_all(_run_row(run) for run in runs)
                session.flush()
                row.settled = max(row.settled, _text(max(run.window.start for run in runs)))
                session.add(row)
                audit.append_many(session, [_claimed(run) for run in runs], now)
        except IntegrityError:
            return False
        return True

    def change(self, runs: Iterable[Run], state: RunState, *, note: str = "", now: datetime) -> int:
        """Runs that are still as they are given are in the new state; how many were."""
        changed = 0
        with self._database.writing() as session:
            for run in runs:
                key = (col(RunRow.schedule) == run.schedule, col(RunRow.due) == _text(run.window.start))
                ours = update(RunRow).where(*key, col(RunRow.state) == run.state)
                if session.connection().execute(ours.values(state=state, note=note or run.note)).rowcount:
                    changed += 1
                    line = audit.Line(who=run.by, what=f"run {state}", subject=f"wave-{run.wave}", why=note, after=_due(run))
                    audit.append(session, line, now)
        return changed

    def open_runs(self, wave: int | None = None) -> Sequence[Run]:
        """Runs that are claimed and not over, by due time."""
        query = select(RunRow).where(col(RunRow.state).in_(OPEN))
        if wave is not None:
            query = query.where(RunRow.wave == wave)
        with self._database.reading() as session:
            return [_run(row) for row in session.exec(query.order_by(col(RunRow.due))).all()]

    def last_run(self, schedule: int) -> Run | None:
        """The run of the schedule that was due last; None before the first."""
        query = select(RunRow).where(RunRow.schedule == schedule).order_by(col(RunRow.due).desc()).limit(1)
        with self._database.reading() as session:
            row = session.exec(query).first()
            return _run(row) if row else None

    def missed(self, since: datetime) -> Sequence[Run]:
        """Runs that were missed, and due since then, by due time."""
        query = select(RunRow).where(RunRow.state == RunState.MISSED, col(RunRow.due) >= _text(since))
        with self._database.reading() as session:
            return [_run(row) for row in session.exec(query.order_by(col(RunRow.due))).all()]


def scheduled(session: Session) -> dict[int, str]:
    """Waves that have a schedule, each with the word for it."""
    query = select(col(ScheduleRow.wave)).where(col(ScheduleRow.ended).is_(None))
    return dict.fromkeys(session.exec(query).all(), "scheduled")


def to_schedule(row: ScheduleRow) -> Schedule:
    """The row as the calendar reads it."""
    return Schedule(
        id=row.id or 0,
        wave=row.wave,
        times=from_plain(Times, row.times),
        missed=Missed(row.missed),
        by=row.by,
        reason=row.reason,
        created=datetime.fromisoformat(row.created),
        settled=datetime.fromisoformat(row.settled),
        ended=datetime.fromisoformat(row.ended) if row.ended else None,
        why_ended=row.why_ended,
    )


def _standing() -> SelectOfScalar[ScheduleRow]:
    return select(ScheduleRow).where(col(ScheduleRow.ended).is_(None)).order_by(col(ScheduleRow.id))


def _row(session: Session, number: int) -> ScheduleRow:
    row = session.get(ScheduleRow, number)
    if row is None:
        raise UsageError(f"there is no schedule {number}", then="rollout schedule list")
    return row


def _run(row: RunRow) -> Run:
    return Run(
        schedule=row.schedule,
        wave=row.wave,
        window=Window(start=datetime.fromisoformat(row.due), end=datetime.fromisoformat(row.until)),
        state=RunState(row.state),
        by=row.by,
        at=datetime.fromisoformat(row.at),
        note=row.note,
    )


def _run_row(run: Run) -> RunRow:
    return RunRow(
        schedule=run.schedule,
        due=_text(run.window.start),
        until=_text(run.window.end),
        wave=run.wave,
        state=run.state,
        by=run.by,
        at=_text(run.at),
        note=run.note,
    )


def _claimed(run: Run) -> audit.Line:
    return audit.Line(who=run.by, what=f"run {run.state}", subject=f"wave-{run.wave}", why=run.note, after=_due(run))


def _due(run: Run) -> dict[str, object]:
    return {"schedule": run.schedule, "due": _text(run.window.start)}


def _line(row: ScheduleRow, what: str, *, who: str, why: str, **states: dict[str, object]) -> audit.Line:
    return audit.Line(who=who, what=f"{what} {row.id}", subject=f"wave-{row.wave}", why=why, **states)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def of_open_waves(session: Session) -> list[Schedule]:
    """Schedules that bind a wave which can still run, by number."""
    query = _standing().join(WaveRow, col(WaveRow.number) == ScheduleRow.wave).where(col(WaveRow.state).in_(OPEN_WAVES))
    return [to_schedule(row) for row in session.exec(query).all()]
