"""Whether a wave may begin now; each reason against it is a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.errors import StaleError, WaitingError
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import Tier
from rollout.operations.subject import FLEET
from rollout.store.progress import WaveFacts
from rollout.store.waves import PLANNED, RUNNING, STOPPED, StoredWave

OPEN = frozenset({PLANNED, RUNNING, STOPPED})


class Cause(StrEnum):
    """Why a wave may not begin yet."""

    EARLIER_WAVE = "earlier_wave"
    EARLIER_TIER = "earlier_tier"
    STOPPED_WAVE = "stopped_wave"
    BLOCKED = "blocked"
    APPROVAL = "approval"
    PAUSE = "pause"
    FREEZE = "freeze"
    WINDOW = "window"
    DRIVEN = "driven"


OUT_OF_ORDER = frozenset({Cause.EARLIER_WAVE, Cause.EARLIER_TIER, Cause.BLOCKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One reason, with what would remove it."""

    cause: Cause
    text: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLeft:
    """What keeps a tier from being done: services that could be planned and are not, and those that stay blocked."""

    eligible: Sequence[str] = ()
    blocked: Sequence[str] = ()


def refuse_what_is_over(wave: StoredWave, now: datetime) -> None:
    """StaleError for a wave that was superseded or has expired before it began."""
    facts = wave.facts
    if facts.state == "superseded":
        successor = facts.superseded_by or "a newer plan"
        raise StaleError(f"{facts.name} is superseded by {successor}", then=f"rollout show {successor}")
    if facts.state == "expired" or (facts.state == PLANNED and now >= facts.plan_expires):
        raise StaleError(
            f"{facts.name} of plan {facts.plan} expired at {facts.plan_expires:%Y-%m-%d %H:%M} UTC before it began",
            then="rollout plan",
        )


def obstacles(
    wave: StoredWave,
    *,
    waves: Sequence[WaveFacts],
    left: Mapping[Tier, TierLeft],
    controls: Sequence[Control],
    out_of_order: bool,
) -> list[Obstacle]:
    """Everything that stands against the beginning of the wave. Once it has begun, only what halts it."""
    found = _halts(wave.facts.name, controls) + _approvals(wave, controls)
    if wave.facts.state != PLANNED:
        return found
    order = _earlier_waves(wave, waves) + _earlier_tiers(wave, waves, left)
    allowed = out_of_order or any(c.kind is ControlKind.OUT_OF_ORDER and c.subject == wave.facts.name for c in controls)
    return [o for o in order if not (allowed and o.cause in OUT_OF_ORDER)] + found


def refuse(wave: StoredWave, found: Sequence[Obstacle]) -> None:
    """WaitingError that names every obstacle; nothing where there is none."""
    if not found:
        return
    orders = [o for o in found if o.cause in OUT_OF_ORDER]
    then = [o.then for o in found if o.then]
    if orders:
        then.append(f"or, against the order: rollout execute {wave.facts.name} --out-of-order --reason …")
    raise WaitingError(
        f"{wave.facts.name} waits: " + "; ".join(o.text for o in found),
        state="it has not begun" if wave.facts.state == PLANNED else "what it moves holds where it is",
        then=", ".join(dict.fromkeys(then)) + f" (or: rollout execute {wave.facts.name} --wait)",
    )


def _earlier_waves(wave: StoredWave, waves: Sequence[WaveFacts]) -> list[Obstacle]:
    facts = wave.facts
    return [
        Obstacle(
            cause=Cause.EARLIER_WAVE,
            text=f"{w.name} of the same plan comes first and is {w.state}",
            then=f"rollout execute {w.name}",
        )
        for w in waves
        if w.plan == facts.plan and w.position < facts.position and w.state in {PLANNED, RUNNING}
    ] + [
        Obstacle(
            cause=Cause.STOPPED_WAVE,
            text=f"{w.name} has stopped: more of its moves failed than its budget allows",
            then=f"rollout resume {w.name}, or rollout abort {w.name}",
        )
        for w in waves
        if w.state == STOPPED and w.number != facts.number and (w.plan == facts.plan or w.tier == facts.tier)
    ]


def _earlier_tiers(wave: StoredWave, waves: Sequence[WaveFacts], left: Mapping[Tier, TierLeft]) -> list[Obstacle]:
    order = [entry.tier for entry in wave.policy.tiers]
    if wave.facts.tier not in order or wave.wave.boarding:
        return []
    found = []
    for tier in order[: order.index(wave.facts.tier)]:
        others = [w for w in waves if w.tier is tier and w.state in OPEN and w.plan != wave.facts.plan]
        found += [_tier(f"{w.name} of the earlier tier {tier} is {w.state}", f"rollout execute {w.name}") for w in others]
        rest = left.get(tier, TierLeft())
        if rest.eligible:
            found.append(_tier(f"{_named(rest.eligible)} of the earlier tier {tier} can be planned", "rollout plan"))
        most = wave.policy.tier(tier).max_blocked
        if len(rest.blocked) > most:
            text = f"{_named(rest.blocked)} of the earlier tier {tier} stay blocked, the policy allows {most}"
            found.append(Obstacle(cause=Cause.BLOCKED, text=text, then="rollout retry SERVICE, then rollout plan"))
    return found


def _tier(text: str, then: str) -> Obstacle:
    return Obstacle(cause=Cause.EARLIER_TIER, text=text, then=then)


def _named(services: Sequence[str]) -> str:
    shown = ", ".join(services[:3])
    return shown if len(services) <= 3 else f"{shown} and {len(services) - 3} more services"


def _approvals(wave: StoredWave, controls: Sequence[Control]) -> list[Obstacle]:
    name = wave.facts.name
    needed = wave.policy.tier(wave.facts.tier).approvals
    given = {c.actor for c in controls if c.kind is ControlKind.APPROVAL and c.subject == name}
    if len(given) >= needed:
        return []
    text = f"{name} needs {needed} approvals, {len(given)} are given" if needed > 1 else f"{name} needs an approval"
    return [Obstacle(cause=Cause.APPROVAL, text=text, then=f"rollout approve {name} --reason …")]


def _halts(name: str, controls: Sequence[Control]) -> list[Obstacle]:
    found = []
    for control in controls:
        if control.subject not in {FLEET, name}:
            continue
        what = "everything" if control.subject == FLEET else name
        why = f": {control.reason}" if control.reason else ""
        if control.kind is ControlKind.PAUSE:
            then = "rollout resume" if control.subject == FLEET else f"rollout resume {name}"
            found.append(Obstacle(cause=Cause.PAUSE, text=f"{what} is paused by {control.actor}{why}", then=then))
        elif control.kind is ControlKind.FREEZE:
            until = f" until {control.until:%Y-%m-%d %H:%M} UTC" if control.until else ""
            found.append(Obstacle(cause=Cause.FREEZE, text=f"{what} is frozen{until} by {control.actor}{why}", then=""))
    return found
