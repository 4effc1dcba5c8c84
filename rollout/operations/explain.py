"""Why a service is where it is, and what would move it. One value, which terminal, page and status render."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import UsageError
from rollout.executor.ports import ControlKind
from rollout.model.fleet import Pin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate, Reason, Strategy
from rollout.model.policy import Policy
from rollout.model.state import FINAL, State
from rollout.operations.order import obstacles
from rollout.operations.show import changed
from rollout.operations.subject import FLEET
from rollout.operations.tiers import left
from rollout.planner.eligibility import exclusion
from rollout.store import candidates, pins, setting
from rollout.store.candidates import AsOf
from rollout.store.controls import Controls
from rollout.store.database import Database, Transaction
from rollout.store.history import failed_deploy
from rollout.store.plans import Plans
from rollout.store.progress import Progress
from rollout.store.waves import PLANNED, Waves


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Who can change it, and by which command."""

    who: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The newest wave that the service was planned for. Times in seconds."""

    plan: str
    wave: str
    state: str
    why: str
    strategy: Strategy
    downtime_s: float
    expected_s: float
    expires: datetime
    superseded_by: str | None
    stale: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """The newest move of the service, ended or not."""

    id: str
    state: State
    since: datetime
    weight: int
    waits_for: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The last deploy of a service that runs nowhere, which failed."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that bears on one service. `setting` is None once it is written off.

    `reason` and `detail`: why it would not be planned now; None where it would. `waits_for`: what happens next, or has to.
    `pin`: the one that it has, also where something else is the reason, and also one that has expired (`pin_holds` False).
    """

    service: str
    customer: str
    tier: Tier
    runs_on: tuple[RuntimeName, ...]
    release: int | None
    setting: Setting | None
    reason: Reason | None
    detail: str
    planned: Planned | None
    move: Moving | None
    waits_for: str
    remedies: tuple[Remedy, ...]
    pin: Pin | None = None
    pin_holds: bool = False
    failure: Failure | None = None


Commands = tuple[tuple[str, str], ...]
_OWNER = "its owner"
_OPERATOR = "whoever runs the rollout"
REMEDIES: Mapping[Reason, tuple[tuple[str, str], ...]] = {
    Reason.PINNED: ((_OWNER, "rollout unpin {service}"),),
    Reason.BLOCKED: ((_OWNER, "rollout service deploy {service}"), (_OPERATOR, "rollout retry {service}")),
    Reason.NO_COMMAND: ((_OWNER, "rollout service set {service} --command …"),),
    Reason.NO_ENGINE: (
        (_OWNER, "rollout service set {service} --command …"),
        (_OWNER, "rollout service set {service} --engine …"),
    ),
    Reason.NOT_RUNNING: ((_OWNER, "rollout service deploy {service}"),),
    Reason.TIER_UNKNOWN: ((_OPERATOR, "rollout policy use FILE"), (_OPERATOR, "rollout service set {service} --tier …")),
    Reason.CRON: (),
    Reason.ON_V2: ((_OPERATOR, "rollout revert {service}"),),
    Reason.MOVING: ((_OPERATOR, "rollout status"), (_OPERATOR, "rollout revert {service}")),
}
WAITS: Mapping[Reason, str] = {
    Reason.PINNED: "the end of the pin",
    Reason.BLOCKED: "a repaired release, other health settings, or a retry",
    Reason.NO_COMMAND: "a command or an image",
    Reason.NO_ENGINE: "a command, or an engine that runs images",
    Reason.NOT_RUNNING: "its first deploy",
    Reason.TIER_UNKNOWN: "a policy that names its tier",
    Reason.CRON: "a cut-over for cron services",
    Reason.ON_V2: "nothing",
    Reason.MOVING: "the end of its move",
}


def explain(database: Database, service: str, policy: Policy, *, as_of: AsOf) -> Explanation:
    """The explanation of one service by its id. UsageError where it is not in the fleet."""
    with database.reading() as session:
        candidate = candidates.of(session, [service], as_of).get(service)
        written_off, pin = setting.written_off(session), pins.get(session, service)
        failure = None if candidate is None or candidate.runs_on else _failure(session, service)
    if candidate is None:
        raise UsageError(f"no service {service}", then="rollout service list")
    planned, moving = _planned(database, service, as_of), _moving(database, service)
    why_not = exclusion(candidate, policy)
    reason = why_not.reason if why_not else None
    waits_for, commands = _next(candidate, reason, planned, moving)
    if failure is not None and reason is Reason.NOT_RUNNING:
        waits_for, commands = "a deploy that succeeds", (*commands, (_OWNER, "rollout service logs {service}"))
    if reason is None and planned is not None and planned.state == PLANNED and not planned.stale:
        waits_for, commands = _against(database, planned, as_of, waits_for, commands)
    if reason in {None, Reason.MOVING}:
        waits_for, commands = _halted(database, planned, as_of.now, waits_for, commands)
    return Explanation(
        service=service,
        customer=candidate.customer,
        tier=candidate.tier,
        runs_on=candidate.runs_on,
        release=candidate.release,
        setting=None if written_off else candidate.setting,
        reason=reason,
        detail=why_not.detail if why_not else "",
        planned=planned,
        move=moving,
        waits_for=waits_for,
        remedies=tuple(Remedy(who=who, command=command.format(service=service)) for who, command in commands),
        pin=pin,
        pin_holds=pin is not None and pin.holds(as_of.now),
        failure=failure,
    )


def _failure(session: Transaction, service: str) -> Failure | None:
    row = failed_deploy(session, service)
    return Failure(at=datetime.fromisoformat(row.at), why=row.why) if row else None


def _against(database: Database, planned: Planned, as_of: AsOf, waits_for: str, commands: Commands) -> tuple[str, Commands]:
    """Where something stands against the beginning of its wave, that comes first: what `execute` would say."""
    wave, waves = Waves(database).get(int(planned.wave.removeprefix("wave-"))), Progress(database).waves()
    controls = [c for c in Controls(database).standing(now=as_of.now) if c.kind is not ControlKind.PAUSE]
    found = obstacles(wave, waves=waves, left={}, controls=controls, out_of_order=False)
    if not found and wave.policy.tiers[0].tier is not wave.facts.tier:
        with database.reading() as session:
            fleet = candidates.every(session, as_of)
            rest = left(fleet, wave.policy, Progress(database).seated())
        found = obstacles(wave, waves=waves, left=rest, controls=controls, out_of_order=False)
    if not found:
        return waits_for, commands
    return "; ".join(one.text for one in found), tuple((_OPERATOR, one.then) for one in found if one.then)


def _halted(
    database: Database, planned: Planned | None, now: datetime, waits_for: str, commands: Commands
) -> tuple[str, Commands]:
    """Where its wave is paused: the end of that comes first, and no driver helps before."""
    if planned is None or planned.state not in {"planned", "running", "stopped"}:
        return waits_for, commands
    halts = {FLEET: "rollout resume", planned.wave: f"rollout resume {planned.wave}"}
    pauses = [c for c in Controls(database).standing(now=now) if c.kind is ControlKind.PAUSE and c.subject in halts]
    if not pauses:
        return waits_for, commands
    told = " and ".join("of everything" if c.subject == FLEET else f"of {c.subject}" for c in pauses)
    others = tuple(one for one in commands if not one[1].startswith("rollout execute"))
    return f"the end of the pause {told}", (*((_OPERATOR, halts[c.subject]) for c in pauses), *others)


def _planned(database: Database, service: str, as_of: AsOf) -> Planned | None:
    plans = Plans(database)
    seat = plans.seat(service)
    if seat is None:
        return None
    move = next(move for move in Waves(database).get(seat.wave).wave.moves if move.service == service)
    waiting = seat.state == "planned"
    return Planned(
        plan=seat.plan,
        wave=f"wave-{seat.wave}",
        state="expired" if waiting and as_of.now >= seat.expires else seat.state,
        why=move.why,
        strategy=move.strategy,
        downtime_s=move.downtime_s,
        expected_s=move.expected_s,
        expires=seat.expires,
        superseded_by=seat.superseded_by,
        stale=changed(database, [move], as_of=as_of).get(service) if waiting else None,
    )


def _moving(database: Database, service: str) -> Moving | None:
    progress = Progress(database)
    move = progress.live_move(service) or progress.last_move(service)
    if move is None:
        return None
    return Moving(
        id=move.id,
        state=move.state,
        since=move.since,
        weight=move.weight,
        waits_for=move.waits_for,
        reason=move.reason,
    )


def _next(
    candidate: Candidate, reason: Reason | None, planned: Planned | None, moving: Moving | None
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What it waits for, and who can change that by which command."""
    if moving is not None and moving.state not in FINAL and moving.waits_for:
        return moving.waits_for, REMEDIES[Reason.MOVING]
    if reason is not None:
        return WAITS[reason], REMEDIES[reason]
    again = ((_OPERATOR, f"rollout plan --service {candidate.id}"),)
    if planned is None or planned.state in {"ended", "superseded"}:
        return "a plan", again
    if planned.stale or planned.state == "expired":
        return "a new plan", again
    if planned.state == "planned":
        return f"{planned.wave} to begin", ((_OPERATOR, f"rollout execute {planned.wave}"),)
    return f"its turn in {planned.wave}", ((_OPERATOR, f"rollout execute {planned.wave}"),)
