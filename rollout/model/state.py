"""The one transition table of a move (DESIGN section 4), as data.

A move goes from a `source` runtime to a `target` runtime: legacy to v2 when a wave drives it, v2 to legacy when a
finished service is reverted. The table speaks of source and target, so that both directions share it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollout.model.fleet import RuntimeName
from rollout.model.plan import Strategy


class State(StrEnum):
    """Where a move stands."""

    PLANNED = "planned"
    PUBLISHING = "publishing"
    LAUNCHING = "launching"
    GAP = "gap"
    PROVING = "proving"
    SHIFTING = "shifting"
    BAKING = "baking"
    WARM = "warm"
    FINISHING = "finishing"
    FINISHED = "finished"
    FALLING_BACK = "falling_back"
    STUCK = "stuck"
    FELL_BACK = "fell_back"
    ABORTED = "aborted"
    SKIPPED = "skipped"


class Event(StrEnum):
    """What can happen to a move: the columns of the table."""

    OK = "ok"
    FAILED = "failed"
    SOURCE_LOST = "source_lost"
    BOTH_LOST = "both_lost"
    PAUSE = "pause"
    CLOSED = "closed"
    BUDGET = "budget"
    HOLD_OVER = "hold_over"
    ABORT = "abort"
    FAIL = "fail"
    REVERT = "revert"
    OWNER = "owner"
    APPROVE = "approve"


FINAL = frozenset({State.FINISHED, State.FELL_BACK, State.ABORTED, State.SKIPPED})
IN_FLIGHT = frozenset(
    {State.PUBLISHING, State.LAUNCHING, State.GAP, State.PROVING, State.SHIFTING, State.BAKING, State.FALLING_BACK}
)
MOVED = frozenset({State.WARM, State.FINISHING, State.FINISHED})


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `to` None: the state stays. `end`: where falling back will end. `counts`: in the failure budget.

    `blocks`: the service is blocked afterwards. `refused`: the verb cannot apply any more (exit 5).
    `queued`: the verb waits until the move has ended and is then carried out on the service.
    """

    to: State | None = None
    end: State | None = None
    counts: bool = False
    blocks: bool = False
    refused: bool = False
    queued: bool = False


STAY = Cell()
BACK = Cell(State.FALLING_BACK, end=State.FELL_BACK, counts=True, blocks=True)
BACK_ASKED = Cell(State.FALLING_BACK, end=State.FELL_BACK, blocks=True)
BACK_FREE = Cell(State.FALLING_BACK, end=State.ABORTED)
CALL = Cell(State.STUCK, counts=True)
REFUSED = Cell(refused=True)
QUEUED = Cell(queued=True)


def _row(ok: Cell, failed: Cell, **others: Cell) -> Mapping[Event, Cell]:
    """A row before finishing: what differs from the usual is named."""
    usual = {
        Event.SOURCE_LOST: STAY,
        Event.BOTH_LOST: CALL,
        Event.PAUSE: STAY,
        Event.CLOSED: STAY,
        Event.BUDGET: STAY,
        Event.HOLD_OVER: BACK_FREE,
        Event.ABORT: BACK_FREE,
        Event.FAIL: BACK,
        Event.REVERT: BACK_ASKED,
        Event.OWNER: BACK_FREE,
        Event.APPROVE: STAY,
    }
    return {**usual, Event.OK: ok, Event.FAILED: failed, **{Event(k): v for k, v in others.items()}}


def _settled(**others: Cell) -> Mapping[Event, Cell]:
    """A row where nothing moves any more but what is named."""
    return {**dict.fromkeys(Event, STAY), **{Event(k): v for k, v in others.items()}}


SKIP = Cell(State.SKIPPED)
TABLE: Mapping[State, Mapping[Event, Cell]] = {
    State.PLANNED: _row(
        Cell(State.PUBLISHING),
        SKIP,
        source_lost=SKIP,
        both_lost=SKIP,
        hold_over=STAY,
        abort=SKIP,
        fail=Cell(State.SKIPPED, counts=True, blocks=True),
        revert=STAY,
        owner=SKIP,
    ),
    State.PUBLISHING: _row(Cell(State.LAUNCHING), BACK, budget=BACK_FREE),
    State.LAUNCHING: _row(Cell(State.PROVING), BACK, budget=BACK_FREE),
    State.GAP: _row(Cell(State.PROVING), BACK),
    State.PROVING: _row(Cell(State.SHIFTING), BACK, budget=BACK_FREE, approve=Cell(State.SHIFTING)),
    State.SHIFTING: _row(Cell(State.BAKING), BACK, closed=Cell(State.PROVING), approve=Cell(State.SHIFTING)),
    State.BAKING: _row(Cell(State.WARM), BACK, closed=Cell(State.PROVING), approve=Cell(State.WARM)),
    State.WARM: _row(
        Cell(State.FINISHING),
        BACK,
        hold_over=STAY,
        abort=STAY,
        owner=BACK_FREE,
    ),
    State.FINISHING: _settled(ok=Cell(State.FINISHED), fail=REFUSED, revert=QUEUED, owner=QUEUED),
    State.FINISHED: _settled(fail=REFUSED),
    State.FALLING_BACK: _settled(
        failed=CALL,
        source_lost=CALL,
        both_lost=CALL,
        ok=Cell(State.FELL_BACK),
        revert=Cell(None, blocks=True),
        owner=QUEUED,
    ),
    State.STUCK: _settled(
        ok=Cell(State.FALLING_BACK),
        revert=Cell(State.FALLING_BACK, end=State.FELL_BACK, blocks=True),
        owner=Cell(State.FALLING_BACK, end=State.ABORTED),
        approve=Cell(State.SHIFTING),
    ),
    State.FELL_BACK: _settled(),
    State.ABORTED: _settled(),
    State.SKIPPED: _settled(),
}
"""`falling_back` on ok ends in `end` of the cell that began it. `planned` with recreate goes publishing → gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The current row of a move: nothing but its journal added up.

    `id` is `wave-3/shop/api` (`back-17/shop/api` for a back move). `step` is an index into the policy's traffic steps.
    `doing` is the stored name of a step whose intent is written and whose outcome is not. `begun` names, in order, the
    steps that may have left something to undo. `held_s` is how long the clock has stood since `since` (seconds).
    """

    id: str
    service: str
    wave: int
    source: RuntimeName
    target: RuntimeName
    strategy: Strategy
    state: State = State.PLANNED
    step: int = 0
    attempt: int = 1
    doing: str | None = None
    begun: tuple[str, ...] = ()
    since: datetime
    due: datetime | None = None
    deadline: datetime | None = None
    held_s: float = 0.0
    waits_for: str = ""
    end: State | None = None
    reason: str = ""
    actor: str = ""
    counts: bool = False
    blocks: bool = False
    queued: str | None = None
    approved: bool = False
    seq: int = 0

    @property
    def token(self) -> str:
        """Names the launch of this attempt: an effect with the same token is the same effect."""
        return f"{self.id}/{self.attempt}".replace("/", ".")


class EntryKind(StrEnum):
    """What a journal row records: an intent before an effect, its outcome after it, or an event of the table."""

    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal. `seq` is given by the store. `changes` are the fields of `Move` that this row sets."""

    move: str
    kind: EntryKind
    at: datetime
    actor: str
    step: str | None = None
    event: Event | None = None
    reason: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    changes: Mapping[str, object] = field(default_factory=dict)
    lease: int = 0
    seq: int = 0
