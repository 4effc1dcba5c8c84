"""The life of a stored wave: planned, running, stopped, ended; each change with its audit line."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from rollout.errors import StaleError, UsageError
from rollout.model.plain import from_plain, sha256
from rollout.model.plan import Wave
from rollout.model.policy import Policy
from rollout.store import audit, plan_parts
from rollout.store.database import Database
from rollout.store.progress import WaveFacts, facts_of
from rollout.store.tables import PlanRow, WaveRow

RUNNING = "running"
STOPPED = "stopped"
ENDED = "ended"
PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWave:
    """A wave with the moves and the policy of its plan."""

    facts: WaveFacts
    wave: Wave
    policy: Policy


class Waves:
    """The waves of one home."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> StoredWave:
        """The wave as it was planned. UsageError for an unknown number, StaleError where its plan was changed by hand."""
        with self._database.reading() as session:
            row, plan = _rows(session, number)
            policy = _policy(plan)
            return StoredWave(facts=facts_of(row, plan.expires), wave=plan_parts.wave(session, number), policy=policy)

    def detach(self, number: int, *, who: str, why: str, now: datetime) -> None:
        """The wave is left to the scheduler, which begins it when nothing stands against it. Idempotent."""
        with self._database.writing() as session:
            row, _ = _rows(session, number)
            if row.detached:
                return
            row.detached = True
            session.add(row)
            line = audit.Line(who=who, what="execute", subject=f"wave-{number}", why=why, after={"detached": True})
            audit.append(session, line, now)

    def begin(self, number: int, *, who: str, why: str, now: datetime) -> None:
        """The wave runs. Beginning one that runs, or that had stopped, goes on with it."""
        with self._database.writing() as session:
            row, _ = _rows(session, number)
            before = row.state
            row.state = RUNNING
            row.began = row.began or _text(now)
            row.ended = None
            session.add(row)
            what = "execute" if before == PLANNED else "resume execute"
            states = {"before": {"state": before}, "after": {"state": RUNNING}}
            line = audit.Line(who=who, what=what, subject=f"wave-{number}", why=why, **states)
            audit.append(session, line, now)

    def settle(self, number: int, state: str, *, who: str, now: datetime) -> None:
        """The wave has ended or has stopped. Idempotent."""
        with self._database.writing() as session:
            row, _ = _rows(session, number)
            if row.state == state:
                return
            before, row.state = row.state, state
            row.ended = _text(now) if state == ENDED else None
            session.add(row)
            line = audit.Line(who=who, what=state, subject=f"wave-{number}", before={"state": before}, after={"state": state})
            audit.append(session, line, now)


def _rows(session: Session, number: int) -> tuple[WaveRow, PlanRow]:
    row = session.get(WaveRow, number)
    plan = session.get(PlanRow, row.plan) if row else None
    if row is None or plan is None:
        raise unknown(session, number)
    return row, plan


def unknown(session: Session, number: int) -> UsageError:
    """What a person is told of a wave that does not exist: which ones do."""
    last = session.exec(select(func.max(col(WaveRow.number)))).one()
    if not last:
        return UsageError(f"there is no wave-{number}: nothing has been planned", then="rollout plan")
    known = f"there are wave-1 to wave-{last}" if last > 1 else "there is only wave-1"
    return UsageError(f"there is no wave-{number}; {known}", then="rollout status")


def _policy(plan: PlanRow) -> Policy:
    body: dict[str, Any] = json.loads(plan.body)
    if sha256(body["policy"]) != body["policy_hash"]:
        raise StaleError(f"{plan.id} is not what was planned: the hash of its policy does not match", then="rollout plan")
    return from_plain(Policy, body["policy"])


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
