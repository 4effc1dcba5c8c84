"""What `decide` is shown and what it answers."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rollout.executor.ports import Copy
from rollout.model.fleet import Release
from rollout.model.move import Move
from rollout.model.policy import Inconclusive, Policy
from rollout.model.snapshot import Snapshot
from rollout.model.state import Event, State
from rollout.model.values import field, value
from rollout.model.verdict import Outcome, Verdict


@value(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for a whole wave at this tick. The texts say what forbids a step forward and who said so; empty: nothing.

    `paused_services`: service id to the reason. `stopped`: the failure budget is exceeded.
    """

    policy: Policy
    inconclusive: Inconclusive = Inconclusive.HOLD
    paused: str = ""
    paused_services: Mapping[str, str] = field(default_factory=dict)
    closed: str = ""
    unapproved: str = ""
    stopped: str = ""

    def forbids_beginning(self) -> str:
        """Why no move may begin."""
        return self.paused or self.closed or self.unapproved or self.stopped

    def forbids(self, row: Move) -> str:
        """Why this move may not go a step forward. The way back is never forbidden, nor is leaving a gap.

        What is warm has passed: an exceeded budget does not keep it from finishing.
        """
        if row.path.back or (row.path.gap and "gap" in row.begun and row.weight == 0):
            return ""
        stopped = "" if row.state is State.WARM else self.stopped
        return self.paused or self.paused_services.get(row.service, "") or self.closed or self.unapproved or stopped


@value(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look found. `tail`: the last lines of a copy that is in trouble. `snapshots`: of the period
    that may end now. `owed`: of one that had ended before. `broken`: why the look itself failed."""

    release: Release | None = None
    target: Copy | None = None
    source: Copy | None = None
    verdicts: tuple[Verdict, ...] = ()
    source_verdicts: tuple[Verdict, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    open_on_source: int = 0
    open_on_target: int = 0
    snapshots: Sequence[Snapshot] = ()
    owed: Sequence[Snapshot] = ()
    tail: tuple[str, ...] = ()
    broken: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Look:
    """Look at the copies and ask the gates; then decide again."""


@value(frozen=True, slots=True, kw_only=True)
class Do:
    """Run a step: its intent is written first. `undo:` before the name runs its undo."""

    step: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@value(frozen=True, slots=True, kw_only=True)
class Fire:
    """An event of the table."""

    event: Event
    reason: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


@value(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing before `until`. `hold`: what forbids the step; the move's clock stands while it does. `remark`: for status.

    `evidence`: of what holds it, where that is a broken gate. `ends`: so long it can last at most, and what happens `then`.
    """

    until: datetime
    hold: str = ""
    remark: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)
    ends: datetime | None = None
    then: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Remind:
    """Tell the person again, and once more after the policy's `hold_limit`."""

    reason: str


Action = Look | Do | Fire | Wait | Remind


@value(frozen=True, slots=True, kw_only=True)
class Case:
    """One move before a decision."""

    rules: Rules
    row: Move
    seen: Seen | None
    now: datetime

    @property
    def policy(self) -> Policy:
        """The plan's policy."""
        return self.rules.policy

    @property
    def next_look(self) -> datetime:
        """When the gates look again."""
        return self.now + timedelta(seconds=self.policy.health.every_s)

    def has(self, step: str) -> bool:
        """The step has begun and may have left something."""
        return step in self.row.begun

    def passed(self, start: datetime | None, seconds: float) -> bool:
        """So many seconds of the move's own clock lie between `start` and now; the clock stands while the move is held."""
        return start is not None and (self.row.held_since or self.now) >= self.end(start, seconds)

    def end(self, start: datetime, seconds: float) -> datetime:
        """When so many seconds after `start` are over, if nothing holds the move from now on."""
        return start + timedelta(seconds=seconds + self.row.held_s)

    def late(self) -> bool:
        """The deadline of the state has passed."""
        return self.row.deadline is not None and self.passed(self.row.deadline, 0.0)

    def probes(self) -> bool:
        """The gates could not tell in time, and the tier's rule is to send requests of our own."""
        return self.rules.inconclusive is Inconclusive.PROBE and self.late()

    def held_s(self) -> float:
        """For how long the clock has stood in this state."""
        present = (self.now - self.row.held_since).total_seconds() if self.row.held_since else 0.0
        return self.row.held_s + present


_PASS = frozenset({Outcome.PASS})
_GRAVE = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE)


def worst(verdicts: tuple[Verdict, ...]) -> Outcome:
    """The gravest of the verdicts; pass where there is none."""
    outcomes = {v.outcome for v in verdicts}
    return next((grave for grave in _GRAVE if grave in outcomes), Outcome.PASS) if outcomes - _PASS else Outcome.PASS


def told(verdicts: tuple[Verdict, ...], outcome: Outcome) -> str:
    """Gates with this outcome and their reasons, in one line."""
    return "; ".join(f"{v.gate}: {v.reason}" for v in verdicts if v.outcome is outcome)


def evidence(seen: Seen | None) -> dict[str, object]:
    """What a look found, as plain values for the journal."""
    if seen is None:
        return {}
    found: dict[str, object] = {"verdicts": [_plain(v) for v in seen.verdicts]}
    if seen.source_verdicts:
        found["source"] = [_plain(v) for v in seen.source_verdicts]
    if seen.absent:
        found["absent"] = dict(seen.absent)
    if seen.tail:
        found["log"] = list(seen.tail)
    return found


def _plain(verdict: Verdict) -> dict[str, object]:
    return {"gate": verdict.gate, "outcome": str(verdict.outcome), "reason": verdict.reason, **verdict.evidence}
