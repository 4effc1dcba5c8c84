"""The row of a move and its journal. The row is nothing but the journal added up through the table of `model/state`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from rollout.model.fleet import RuntimeName
from rollout.model.plan import Strategy
from rollout.model.state import FINAL, Event, Path, State
from rollout.model.values import value

PATH_OF = {
    (Strategy.OVERLAP, RuntimeName.V2): Path.OVERLAP,
    (Strategy.RECREATE, RuntimeName.V2): Path.RECREATE,
    (Strategy.OVERLAP, RuntimeName.LEGACY): Path.BACK_OVERLAP,
    (Strategy.RECREATE, RuntimeName.LEGACY): Path.BACK_RECREATE,
}


@dataclass(frozen=True, kw_only=True)
class Move:
    """The current row of a move.

    `id` is `wave-3/shop/api`; a back move is `back-17/shop/api` in the wave -17, so that one revert of many is driven as
    one. `steps` are the traffic weights (percent) it goes through, `step` an index into them, `weight` the target's share
    when the edge was last asked. `doing` names the step whose intent is written and whose outcome is not; `begun`, in
    order, the steps that may have left something to undo. `since`: when this state (or traffic step) began; `mark`: when
    the last effect in it ended. The clock of a deadline has stood for `held_s` seconds since `since`, and stands since
    `held_since` where that is set. `end` is where falling back will end. `restores` is the setting (`runtime/origin`) that
    is put back if the move is brought back; a back move puts it back when it passes. `waits_for` may last until
    `waits_until` at most; `then` tells what happens. `queued` is an owner's or a person's act that waits for the end. `seq`
    counts the journal's entries. `due` is a hint of the store and no part of the sum.
    It has no slots, so that `but` is quick: rows are what a driver makes most of.
    """

    id: str
    service: str
    wave: int
    source: RuntimeName
    target: RuntimeName
    strategy: Strategy
    since: datetime
    customer: str = ""
    position: int = 0
    steps: tuple[int, ...] = (100,)
    expected_s: float = 0.0
    state: State = State.PLANNED
    step: int = 0
    weight: int = 0
    attempt: int = 1
    release: int | None = None
    source_token: str = ""
    doing: str | None = None
    begun: tuple[str, ...] = ()
    mark: datetime | None = None
    due: datetime | None = None
    deadline: datetime | None = None
    held_s: float = 0.0
    held_since: datetime | None = None
    waits_for: str = ""
    waits_until: datetime | None = None
    then: str = ""
    end: State | None = None
    reason: str = ""
    actor: str = ""
    counts: bool = False
    counted_at: datetime | None = None
    blocks: bool = False
    restores: str = ""
    queued: str | None = None
    approved: bool = False
    seq: int = 0

    def but(self, changes: Mapping[str, Any]) -> "Move":
        """The row with these fields, which must be known ones: `dataclasses.replace` in a tenth of its time."""
        row = object.__new__(Move)
        row.__dict__.update(self.__dict__)
        row.__dict__.update(changes)
        return row

    @property
    def path(self) -> Path:
        """Which of the four kinds of move this is."""
        return PATH_OF[self.strategy, self.target]

    @property
    def token(self) -> str:
        """Names the launch of this attempt: an effect with the same token is the same effect."""
        return f"{self.id}/{self.attempt}".replace("/", ".")

    @property
    def environment(self) -> str:
        """The environment of the service."""
        return self.service.partition("/")[0]

    @property
    def live(self) -> bool:
        """Has not ended; a service has at most one such move."""
        return self.state not in FINAL


class EntryKind(StrEnum):
    """What a journal row records: the row as planned, an intent before an effect, its outcome, an event of the table, a note."""

    PLANNED = "planned"
    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"
    NOTE = "note"


@value(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal. `changes` are the fields of `Move` that this row sets, as plain JSON values."""

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
