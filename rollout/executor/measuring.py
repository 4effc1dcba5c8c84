"""When a move is measured: each period as it ends, so that its snapshots are stored with the transition that ends it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from rollout.executor.actions import worst
from rollout.executor.ports import Look
from rollout.model.move import Move
from rollout.model.policy import Policy
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome, Verdict


class Instrument(Protocol):
    """Measures a service. What breaks in it is no fault of the service, and holds no move: the snapshots are then missing."""

    def watch(self, look: Look) -> None:
        """A period may have begun: told at every look, so that use of CPU is known from here on."""

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        """What each side did since then."""


def period(look: Look, verdicts: Sequence[Verdict], policy: Policy) -> tuple[Phase, datetime] | None:
    """The period that may end with this look, and when it began; None where none does.

    Legacy alone is measured until its first request goes to v2: the time of proving and `before_s` before it. While both serve
    each traffic step is a period of its own, and so is the bake.
    """
    row = look.move
    if row.path.back or not verdicts:
        return None
    failed = worst(tuple(verdicts)) is Outcome.FAIL
    if row.state is State.PROVING and row.weight == 0 and not failed:
        ready = worst(tuple(verdicts)) is Outcome.PASS
        return (Phase.BEFORE, row.since - timedelta(seconds=policy.before_s)) if ready else None
    lasts = _lasts(row, policy)
    if lasts is None or not (failed or look.final or _over(look, lasts)):
        return None
    return (Phase.AFTER if row.state is State.BAKING else Phase.DURING), row.since


def _lasts(row: Move, policy: Policy) -> float | None:
    """How long the period is at least (s); None for a state in which nothing is measured."""
    if row.state is State.BAKING:
        return policy.bake_s
    shared = row.state is State.SHIFTING and 0 < row.weight < 100 and row.weight == row.steps[row.step]
    return policy.step_s if shared else None


def _over(look: Look, seconds: float) -> bool:
    return (look.now - look.since).total_seconds() >= seconds
