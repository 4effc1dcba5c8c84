"""When a move is measured: each period as it ends, so that its snapshots are stored with the transition that ends it.

A period that ended without a look is measured by the next one: until traffic is shifted back nothing has changed at the edge.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from rollout.executor.actions import worst
from rollout.executor.ports import Look, Write
from rollout.model.move import Move
from rollout.model.policy import Policy
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import Event, State
from rollout.model.verdict import Outcome, Verdict


class Instrument(Protocol):
    """Measures a service. What breaks in it is no fault of the service, and holds no move: the snapshots are then missing."""

    def watch(self, look: Look) -> None:
        """A period may have begun: told at every look, so that use of CPU is known from here on."""

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        """What each side did since then."""


def running(row: Move, policy: Policy) -> tuple[Phase, datetime] | None:
    """The period in which a move stands, and when it began; None where nothing is measured.

    Legacy alone is measured until its first request goes to v2: the time of proving and `before_s` before it. While both serve
    each traffic step is a period of its own, and so is the bake.
    """
    if row.path.back:
        return None
    if row.state is State.PROVING and row.weight == 0:
        return Phase.BEFORE, row.since - timedelta(seconds=policy.before_s)
    if row.state is State.BAKING:
        return Phase.AFTER, row.since
    shared = row.state is State.SHIFTING and 0 < row.weight < 100 and row.weight == row.steps[row.step]
    return (Phase.DURING, row.since) if shared else None


def period(look: Look, verdicts: Sequence[Verdict], policy: Policy) -> tuple[Phase, datetime] | None:
    """The period that may end with this look, and when it began; None where none does."""
    found = running(look.move, policy)
    if found is None or not verdicts:
        return None
    outcome = worst(tuple(verdicts))
    if found[0] is Phase.BEFORE:
        return found if outcome is Outcome.PASS else None
    lasts = policy.bake_s if found[0] is Phase.AFTER else policy.step_s
    over = (look.now - look.since).total_seconds() >= lasts
    return found if over or look.final or outcome is Outcome.FAIL else None


def cut_short(before: Move, write: Write, policy: Policy) -> bool:
    """The write ends a period that no look has measured: a person or the clock has brought the move back, or its copy has died.

    What v2 was not proven for has nothing to be held against.
    """
    entry = write.entry
    if entry.event is None or entry.event is Event.OK or write.row.state is before.state or write.effects.snapshots:
        return False
    unproven = before.state is State.PROVING and entry.event in {Event.FAILED, Event.BOTH_LOST}
    return not unproven and running(before, policy) is not None
