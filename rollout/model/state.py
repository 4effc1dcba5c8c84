"""The one transition table of a move (DESIGN section 4), as data.

A move goes from a `source` runtime to a `target` runtime: legacy to v2 when a wave drives it, v2 to legacy when a finished
service is reverted (a back move). The table speaks of source and target, so that both directions share it. What `ok` leads
to depends on the kind of move and stands in `PATHS`; every other cell stands in `TABLE`, with the few cells that differ for
a closed gap or a back move beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
    """What can happen to a move: the columns of the table.

    `ok`: the state's work is done. `failed`: an effect or a gate failed, a deadline passed, the target's copy died.
    `closed`: window's end or freeze. `hold_over`: traffic was held above 0 % for longer than `hold_limit`. `owner`: the
    owner deploys or stops; `pin` and `remove` are owners' acts that differ from it in some cells.
    """

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
    PIN = "pin"
    OWNER = "owner"
    REMOVE = "remove"
    APPROVE = "approve"


FINAL = frozenset({State.FINISHED, State.FELL_BACK, State.ABORTED, State.SKIPPED})
IN_FLIGHT = frozenset(
    {State.PUBLISHING, State.LAUNCHING, State.GAP, State.PROVING, State.SHIFTING, State.BAKING, State.FALLING_BACK}
)
MOVED = frozenset({State.WARM, State.FINISHING, State.FINISHED})


class Path(StrEnum):
    """The kinds of move that differ in their states: by strategy, and whether a finished service is brought back."""

    OVERLAP = "overlap"
    RECREATE = "recreate"
    BACK_OVERLAP = "back_overlap"
    BACK_RECREATE = "back_recreate"

    @property
    def back(self) -> bool:
        """A finished service is brought back."""
        return self is Path.BACK_OVERLAP or self is Path.BACK_RECREATE

    @property
    def gap(self) -> bool:
        """The copies cannot overlap: one closed gap."""
        return self is Path.RECREATE or self is Path.BACK_RECREATE


def _path(*middle: State) -> tuple[State, ...]:
    return (State.PLANNED, State.PUBLISHING, *middle, State.FINISHING, State.FINISHED)


PATHS: Mapping[Path, tuple[State, ...]] = {
    Path.OVERLAP: _path(State.LAUNCHING, State.PROVING, State.SHIFTING, State.BAKING, State.WARM),
    Path.RECREATE: _path(State.GAP, State.PROVING, State.SHIFTING, State.BAKING),
    Path.BACK_OVERLAP: _path(State.LAUNCHING, State.PROVING, State.SHIFTING),
    Path.BACK_RECREATE: _path(State.GAP, State.PROVING, State.SHIFTING),
}
"""What `ok` leads to: the next state of the path. In `shifting` it does so at the last traffic step, else it stays."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `to` None: the state stays. `end`: where falling back will end. `counts`: in the failure budget.

    `blocks`: the service is blocked when the move ends. `refused`: the verb cannot apply (exit 5). `queued`: the act waits
    until the move has ended and is then carried out on the service. `approves`: a person's word stands for what is missing.
    `onward`: the next state of the path.
    """

    to: State | None = None
    end: State | None = None
    counts: bool = False
    blocks: bool = False
    refused: bool = False
    queued: bool = False
    approves: bool = False
    onward: bool = False


STAY = Cell()
ONWARD = Cell(onward=True)
BACK = Cell(State.FALLING_BACK, end=State.FELL_BACK, counts=True, blocks=True)
BACK_ASKED = Cell(State.FALLING_BACK, end=State.FELL_BACK, blocks=True)
BACK_FREE = Cell(State.FALLING_BACK, end=State.ABORTED)
CALL = Cell(State.STUCK, end=State.FELL_BACK, counts=True, blocks=True)
CALL_AGAIN = Cell(State.STUCK, counts=True)
SKIP = Cell(State.SKIPPED)
REFUSED = Cell(refused=True)
QUEUED = Cell(queued=True)
APPROVED = Cell(approves=True)


def _row(**others: Cell) -> Mapping[Event, Cell]:
    """A row before finishing: what differs from the usual is named."""
    usual = {
        Event.OK: ONWARD,
        Event.FAILED: BACK,
        Event.SOURCE_LOST: STAY,
        Event.BOTH_LOST: CALL,
        Event.PAUSE: STAY,
        Event.CLOSED: STAY,
        Event.BUDGET: STAY,
        Event.HOLD_OVER: STAY,
        Event.ABORT: BACK_FREE,
        Event.FAIL: BACK,
        Event.REVERT: BACK_ASKED,
        Event.PIN: BACK_FREE,
        Event.OWNER: BACK_FREE,
        Event.REMOVE: BACK_FREE,
        Event.APPROVE: STAY,
    }
    return {**usual, **{Event(k): v for k, v in others.items()}}


def _settled(**others: Cell) -> Mapping[Event, Cell]:
    """A row where nothing moves any more but what is named."""
    return {**dict.fromkeys(Event, STAY), **{Event(k): v for k, v in others.items()}}


_ABOVE_ZERO = {"closed": Cell(State.PROVING), "hold_over": BACK_FREE, "approve": APPROVED}
_ACTS_ON_THE_SERVICE = {"pin": QUEUED, "owner": QUEUED, "remove": QUEUED}
_ACT_AFTER_FINISHING = Cell(State.FINISHING, queued=True)

TABLE: Mapping[State, Mapping[Event, Cell]] = {
    State.PLANNED: _row(
        failed=SKIP,
        source_lost=SKIP,
        both_lost=SKIP,
        abort=SKIP,
        fail=Cell(State.SKIPPED, counts=True, blocks=True),
        revert=STAY,
        pin=SKIP,
        owner=SKIP,
        remove=SKIP,
    ),
    State.PUBLISHING: _row(budget=BACK_FREE),
    State.LAUNCHING: _row(budget=BACK_FREE),
    State.GAP: _row(),
    State.PROVING: _row(budget=BACK_FREE, hold_over=BACK_FREE),
    State.SHIFTING: _row(**_ABOVE_ZERO),
    State.BAKING: _row(**_ABOVE_ZERO),
    State.WARM: _row(abort=STAY, owner=_ACT_AFTER_FINISHING, remove=_ACT_AFTER_FINISHING),
    State.FINISHING: _settled(ok=ONWARD, fail=REFUSED, revert=QUEUED, pin=QUEUED, owner=QUEUED, remove=QUEUED),
    State.FINISHED: _settled(fail=REFUSED, revert=QUEUED, pin=QUEUED, owner=QUEUED, remove=QUEUED),
    State.FALLING_BACK: _settled(
        ok=ONWARD,
        failed=CALL_AGAIN,
        source_lost=CALL_AGAIN,
        both_lost=CALL_AGAIN,
        revert=Cell(end=State.FELL_BACK, blocks=True),
        pin=QUEUED,
        owner=QUEUED,
        remove=QUEUED,
    ),
    State.STUCK: _settled(
        ok=Cell(State.FALLING_BACK),
        revert=Cell(State.FALLING_BACK, end=State.FELL_BACK, blocks=True),
        pin=QUEUED,
        owner=QUEUED,
        remove=Cell(State.ABORTED),
        approve=Cell(State.SHIFTING, approves=True),
    ),
    State.FELL_BACK: _settled(**_ACTS_ON_THE_SERVICE),
    State.ABORTED: _settled(**_ACTS_ON_THE_SERVICE),
    State.SKIPPED: _settled(**_ACTS_ON_THE_SERVICE),
}

_NO_SAFE_POINT = {
    (State.PROVING, Event.BUDGET): STAY,
    (State.SHIFTING, Event.CLOSED): STAY,
    (State.BAKING, Event.CLOSED): STAY,
}
"""In a closed gap there is no 0 % to go back to: everything waits for its end."""

_BACK = Cell(State.FALLING_BACK, end=State.FELL_BACK)
_BROUGHT_BACK = {
    **{(state, event): _BACK for state in IN_FLIGHT - {State.FALLING_BACK} for event in (Event.FAILED, Event.FAIL)},
    **{
        (state, event): STAY
        for state in IN_FLIGHT - {State.FALLING_BACK}
        for event in (Event.REVERT, Event.PIN, Event.CLOSED, Event.BUDGET, Event.HOLD_OVER)
    },
}
"""A back move is the way back: nothing stops it, and where it fails the service stays as it was, neither counted nor blocked."""

EXCEPT: Mapping[Path, Mapping[tuple[State, Event], Cell]] = {
    Path.OVERLAP: {},
    Path.RECREATE: _NO_SAFE_POINT,
    Path.BACK_OVERLAP: _BROUGHT_BACK,
    Path.BACK_RECREATE: _BROUGHT_BACK,
}


def cell(path: Path, state: State, event: Event) -> Cell:
    """The cell that holds for this kind of move."""
    return EXCEPT[path].get((state, event)) or TABLE[state][event]
