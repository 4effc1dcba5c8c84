"""What the rows of control mean for a wave at this moment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.executor.actions import Rules
from rollout.executor.budget import Tally, limited
from rollout.executor.ports import Control, ControlKind
from rollout.model.plan import Wave
from rollout.model.policy import Concurrency, Policy, TierPolicy
from rollout.model.state import Event

VERBS: Mapping[ControlKind, Event] = {
    ControlKind.ABORT: Event.ABORT,
    ControlKind.FAIL: Event.FAIL,
    ControlKind.REVERT: Event.REVERT,
    ControlKind.OWNER: Event.OWNER,
    ControlKind.APPROVE: Event.APPROVE,
}
ACTS: Mapping[str, Event] = {"pin": Event.PIN, "remove": Event.REMOVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What holds, what is asked, and how many may fly."""

    rules: Rules
    limits: Concurrency
    verbs: Sequence[Control]


def event_of(verb: Control) -> Event:
    """The column of the table that a verb stands for."""
    return ACTS.get(verb.value, VERBS[verb.kind]) if verb.kind is ControlKind.OWNER else VERBS[verb.kind]


def read(controls: Sequence[Control], *, wave: Wave, policy: Policy, tally: Tally, closed: str) -> Orders:
    """The orders of this tick. `closed`: what the calendar says, empty where work may happen."""
    tier = next((t for t in policy.tiers if t.tier is wave.tier), None) if wave.number >= 0 else None
    limits = policy.concurrency
    for control in controls:
        if control.kind is ControlKind.LIMIT:
            limits = limited(limits, control.value)
    pauses = [c for c in controls if c.kind is ControlKind.PAUSE]
    rules = Rules(
        policy=policy,
        **({"inconclusive": tier.inconclusive} if tier else {}),
        paused=next((_said("paused", c) for c in pauses if c.subject in {"*", wave.name}), ""),
        paused_services={c.subject: _said("paused", c) for c in pauses if c.subject not in {"*", wave.name}},
        closed=next((_said("frozen", c) for c in controls if c.kind is ControlKind.FREEZE), closed),
        unapproved=_unapproved(controls, wave, tier),
        stopped=_stopped(controls, wave, tier, tally),
    )
    return Orders(rules=rules, limits=limits, verbs=[c for c in controls if c.kind in VERBS])


def _said(what: str, control: Control) -> str:
    return f"{what} by {control.actor}" + (f": {control.reason}" if control.reason else "")


def _unapproved(controls: Sequence[Control], wave: Wave, tier: TierPolicy | None) -> str:
    needed = tier.approvals if tier else 0
    given = len({c.actor for c in controls if c.kind is ControlKind.APPROVAL and c.subject == wave.name})
    return f"{wave.name} has {given} of {needed} approvals" if given < needed else ""


def _stopped(controls: Sequence[Control], wave: Wave, tier: TierPolicy | None, tally: Tally) -> str:
    if tier is None:
        return ""
    resumed = [c.at for c in controls if c.kind is ControlKind.RESUME_BUDGET and c.subject == wave.name]
    failed = tally.failed(max(resumed, default=None))
    size = len(wave.moves) or sum(tally.states.values())
    allowed = tier.budget.of(size)
    return f"failure budget: {failed} of {size} failed, {allowed} may" if failed > allowed else ""
