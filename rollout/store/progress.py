"""Reading where a rollout stands: waves, counts per state, moves, leases. One look is one moment of the store."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, or_, select

from rollout.executor.fold import from_body
from rollout.executor.standing import VERBS
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.move import Move
from rollout.model.plain import from_plain
from rollout.model.plan import Pace
from rollout.model.state import State
from rollout.store.controls import is_open
from rollout.store.database import Database
from rollout.store.moves import text
from rollout.store.tables import ControlRow, LeaseRow, MoveRow, PlacementRow, PlannedRow, PlanRow, ServiceRow, WaveRow

_WAVE = re.compile(r"wave-[1-9][0-9]*")
TROUBLE = frozenset({State.STUCK, State.FELL_BACK})
BOTH, NOWHERE = "both", "nowhere"
PLACES = (RuntimeName.LEGACY.value, BOTH, RuntimeName.V2.value, NOWHERE)
"""Where the traffic of a service is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveFacts:
    """A stored wave without its moves. `superseded_by` is the plan that took its place."""

    number: int
    plan: str
    position: int
    tier: Tier
    size: int
    state: str
    began: datetime | None
    ended: datetime | None
    detached: bool
    plan_expires: datetime
    superseded_by: str | None
    pace: Pace | None = None

    @property
    def name(self) -> str:
        """`wave-N`."""
        return f"wave-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything that `status` needs, of one moment. `placed`: how many services are in which of `PLACES`, where any is."""

    waves: Sequence[WaveFacts]
    counts: Mapping[int, Mapping[State, int]]
    moves: Sequence[Move]
    leases: Sequence[Lease]
    placed: Mapping[str, int]


class Progress:
    """Reads of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sight(self, *, states: Iterable[State], wave: int | None = None, limit: int = 1000) -> Sight:
        """What stands now; `moves` are those in `states`, the ones that changed last first: at most `limit` that failed (the
        newest of its service each), and `limit` others, so that however many move, no failure is lost behind them."""
        wanted = set(states)
        with self._database.reading() as session:
            moves = [move for part in (wanted & TROUBLE, wanted - TROUBLE) for move in _moves(session, part, wave, limit)]
            return Sight(
                waves=_waves(session, wave),
                counts=_counts(session, wave),
                moves=moves,
                leases=[to_lease(row) for row in session.exec(select(LeaseRow).order_by(col(LeaseRow.number))).all()],
                placed=_placed(session),
            )

    def waves(self) -> Sequence[WaveFacts]:
        """All waves, by number."""
        with self._database.reading() as session:
            return _waves(session, None)

    def wave(self, number: int) -> WaveFacts | None:
        """One wave; None for an unknown number."""
        with self._database.reading() as session:
            found = _waves(session, number)
            return found[0] if found else None

    def counts(self, wave: int) -> Mapping[State, int]:
        """How many moves of the wave stand in each state."""
        with self._database.reading() as session:
            return _counts(session, wave).get(wave, {})

    def restless(self, now: datetime) -> Sequence[int]:
        """Waves with a move that has begun, has not ended, and is due."""
        query = select(MoveRow.wave).distinct().where(MoveRow.live == 1, col(MoveRow.due) <= text(now))
        with self._database.reading() as session:
            return list(session.exec(query).all())

    def asked(self, now: datetime) -> Sequence[int]:
        """Waves with a move that has not ended and that a person's verb is about, of it or of its wave, not yet obeyed."""
        live = select(MoveRow.wave).distinct().where(MoveRow.live == 1)
        verbs = select(ControlRow.subject).where(*is_open(now), col(ControlRow.kind).in_([str(kind) for kind in VERBS]))
        with self._database.reading() as session:
            subjects = set(session.exec(verbs).all())
            if not subjects:
                return []
            waves = {int(subject.removeprefix("wave-")) for subject in subjects if _WAVE.fullmatch(subject)}
            mine = or_(col(MoveRow.wave).in_(waves), col(MoveRow.service).in_(subjects))
            return list(session.exec(live.where(mine)).all())

    def counted(self) -> Mapping[int, Mapping[State, int]]:
        """How many moves of each wave stand in each state."""
        with self._database.reading() as session:
            return _counts(session, None)

    def seated(self) -> frozenset[str]:
        """Services that stand in a wave which has not begun."""
        query = select(PlannedRow.service).join(WaveRow, col(WaveRow.number) == PlannedRow.wave)
        with self._database.reading() as session:
            return frozenset(session.exec(query.where(WaveRow.state == "planned")).all())

    def moves(self, wave: int) -> Sequence[Move]:
        """All rows of a wave, by service."""
        with self._database.reading() as session:
            rows = session.exec(select(MoveRow).where(MoveRow.wave == wave).order_by(col(MoveRow.service))).all()
            return [from_body(row.body, _time(row.due)) for row in rows]

    def begun(self) -> Sequence[Move]:
        """All moves that have begun and have not ended."""
        with self._database.reading() as session:
            rows = session.exec(select(MoveRow).where(MoveRow.live == 1, MoveRow.state != State.PLANNED.value)).all()
            return [from_body(row.body, _time(row.due)) for row in rows]

    def live_move(self, service: str) -> Move | None:
        """The move of a service that has not ended."""
        with self._database.reading() as session:
            row = session.exec(select(MoveRow).where(MoveRow.service == service, MoveRow.live == 1)).first()
            return from_body(row.body, _time(row.due)) if row else None

    def last_move(self, service: str, target: RuntimeName | None = None) -> Move | None:
        """The newest move of a service, ended or not; with `target` the newest that led there."""
        with self._database.reading() as session:
            rows = session.exec(select(MoveRow).where(MoveRow.service == service)).all()
            moves = [from_body(row.body, _time(row.due)) for row in rows]
        return max((move for move in moves if target in {None, move.target}), key=lambda move: move.since, default=None)


def to_lease(row: LeaseRow) -> Lease:
    """The row as the model has it."""
    return Lease(
        number=row.number,
        subject=row.subject,
        holder=from_plain(Holder, row.holder),
        heartbeat=datetime.fromisoformat(row.heartbeat),
        expires=datetime.fromisoformat(row.expires),
    )


def facts_of(row: WaveRow, expires: str) -> WaveFacts:
    """The row as operations read it."""
    return WaveFacts(
        number=row.number,
        plan=row.plan,
        position=row.position,
        tier=Tier(row.tier),
        size=row.size,
        state=row.state,
        began=_time(row.began),
        ended=_time(row.ended),
        detached=row.detached,
        plan_expires=datetime.fromisoformat(expires),
        superseded_by=row.superseded_by,
        pace=Pace(**row.body["pace"]) if "pace" in row.body else None,
    )


def _waves(session: Session, number: int | None) -> list[WaveFacts]:
    query = select(WaveRow, PlanRow.expires).join(PlanRow, col(PlanRow.id) == WaveRow.plan)
    if number is not None:
        query = query.where(WaveRow.number == number)
    return [facts_of(*found) for found in session.exec(query.order_by(col(WaveRow.number))).all()]


def _counts(session: Session, wave: int | None) -> dict[int, dict[State, int]]:
    query = select(MoveRow.wave, MoveRow.state, func.count()).group_by(col(MoveRow.wave), col(MoveRow.state))
    if wave is not None:
        query = query.where(MoveRow.wave == wave)
    counted: dict[int, dict[State, int]] = {}
    for number, state, count in session.exec(query).all():
        counted.setdefault(number, {})[State(state)] = count
    return counted


_LATER = aliased(MoveRow)
_NEWER = exists().where(
    col(_LATER.service) == col(MoveRow.service),
    col(_LATER.seq) > col(MoveRow.seq),
    col(_LATER.state).not_in([State.PLANNED.value, State.SKIPPED.value]),
)
"""A later move of the same service has begun: what an earlier one came to is history."""


def _moves(session: Session, states: Iterable[State], wave: int | None, limit: int) -> list[Move]:
    query = select(MoveRow).where(col(MoveRow.state).in_([str(s) for s in states]))
    if wave is not None:
        query = query.where(MoveRow.wave == wave)
    if State.FELL_BACK in set(states):
        query = query.where(or_(MoveRow.state != State.FELL_BACK.value, ~_NEWER))
    rows = session.exec(query.order_by(col(MoveRow.seq).desc()).limit(limit)).all()
    return [from_body(row.body, _time(row.due)) for row in rows]


def _placed(session: Session) -> dict[str, int]:
    """Each service is counted once: by where its traffic is, and without traffic as one that does not run."""
    sides = select(func.min(PlacementRow.runtime).label("one"), func.max(PlacementRow.runtime).label("other"))
    each = sides.where(PlacementRow.weight > 0).group_by(col(PlacementRow.service)).subquery()
    counted = session.exec(select(each.c.one, each.c.other, func.count()).group_by(each.c.one, each.c.other)).all()
    placed = {one if one == other else BOTH: count for one, other, count in counted}
    nowhere = session.exec(select(func.count()).select_from(ServiceRow)).one() - sum(placed.values())
    return placed | ({NOWHERE: nowhere} if nowhere else {})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
