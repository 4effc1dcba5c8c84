"""Reading what was measured of moves, and what gates said of them: snapshots, and the evidence in the journal."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, select
from sqlmodel import Session

from rollout.executor.fold import from_body
from rollout.model.fleet import RuntimeName
from rollout.model.move import EntryKind, Move
from rollout.model.snapshot import Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.store.moves import JOURNAL
from rollout.store.moves import TABLE as MOVE
from rollout.store.snapshots import of_moves

_CHUNK = 500
FIGURES = {"publish": "published", "launch": "launched"}
"""Steps of a move whose duration people want to know."""
TIMED = {"launched_s": "launched", "discoverable_s": "discoverable"}
"""What a runtime has timed by itself: both from the start of the process on. It stands in the place of the step's own time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The last that a gate said of a move in one state, with its numbers, its rule and its threshold. `weight`: v2's, percent.

    `outcome` None: the gate could not apply, for `reason`.
    """

    gate: str
    outcome: Outcome | None
    reason: str
    at: datetime
    state: State
    weight: int
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """How long it took (s): a step from its intent to its end, what a runtime has timed from the start of the process on."""

    what: str
    seconds: float


def newest(session: Session, services: Collection[str]) -> Mapping[str, Move]:
    """The newest move to v2 of each of these services that has begun."""
    found: dict[str, Move] = {}
    for names in _chunks(services):
        begun = (MOVE.c.service.in_(names), MOVE.c.state != State.PLANNED.value, MOVE.c.wave > 0)
        for body in session.execute(select(MOVE.c.body).where(*begun).order_by(MOVE.c.seq)).scalars():
            move = from_body(body)
            if move.target is RuntimeName.V2 and move.state is not State.SKIPPED:
                found[move.service] = move
    return found


def snapshots(session: Session, moves: Collection[str]) -> Mapping[str, Sequence[Snapshot]]:
    """All snapshots of these moves."""
    return of_moves(session, moves)


def verdicts(session: Session, moves: Collection[str], *, gate: str | None = None) -> Mapping[str, Sequence[Judged]]:
    """What the gates (or this one) said last of each move in each state and at each weight, in the order of time."""
    found: dict[str, dict[tuple[str, str, int], Judged]] = {}
    for names in _chunks(moves):
        query = select(JOURNAL).where(JOURNAL.c.move.in_(names)).order_by(JOURNAL.c.seq)
        stood: dict[str, tuple[State, int]] = {}
        for row in session.execute(query).mappings():
            state, weight = stood.get(row["move"], (State.PLANNED, 0))
            for judged in _judged(row, state, weight):
                if gate in {None, judged.gate}:
                    kept = found.setdefault(row["move"], {})
                    kept.pop((judged.gate, state.value, weight), None)
                    kept[judged.gate, state.value, weight] = judged
            changes = row["changes"]
            stood[row["move"]] = (State(changes.get("state", state)), int(changes.get("weight", weight)))
    return {move: list(kept.values()) for move, kept in found.items()}


def took(session: Session, move: str) -> Sequence[Took]:
    """How long the steps of FIGURES took, where they ended, and what was timed in them."""
    steps = (JOURNAL.c.move == move, JOURNAL.c.step.in_(FIGURES))
    began: dict[str, datetime] = {}
    found: dict[str, list[Took]] = {}
    for row in session.execute(select(JOURNAL).where(*steps).order_by(JOURNAL.c.seq)).mappings():
        step, at = row["step"], datetime.fromisoformat(row["at"])
        if row["kind"] == EntryKind.INTENT.value:
            began[step] = at
        elif row["event"] is None and step in began:
            timed = [Took(what=word, seconds=row["evidence"][name]) for name, word in TIMED.items() if name in row["evidence"]]
            found[step] = timed or [Took(what=FIGURES[step], seconds=(at - began[step]).total_seconds())]
    return [took for step in FIGURES for took in found.get(step, ())]


def _judged(row: RowMapping, state: State, weight: int) -> Iterator[Judged]:
    """What one journal row says of gates."""
    evidence, at = row["evidence"], datetime.fromisoformat(row["at"])
    for said in evidence.get("verdicts", ()):
        numbers = {name: value for name, value in said.items() if name not in {"gate", "outcome", "reason"}}
        yield Judged(
            gate=said["gate"],
            outcome=Outcome(said["outcome"]),
            reason=said["reason"],
            at=at,
            state=state,
            weight=weight,
            evidence=numbers,
        )
    for gate, reason in evidence.get("absent", {}).items():
        yield Judged(gate=gate, outcome=None, reason=reason, at=at, state=state, weight=weight)


def _chunks(names: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
