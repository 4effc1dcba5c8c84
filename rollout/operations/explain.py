"""Why a service is where it is, and what would move it. One value, which terminal, page and status render."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import UsageError
from rollout.model.fleet import Pin, RuntimeName, Setting, Tier
from rollout.model.plan import Candidate, Reason, Strategy
from rollout.model.policy import Policy
from rollout.model.state import FINAL, State
from rollout.operations.listening import Listens
from rollout.operations.order import OPEN, Obstacle, obstacles
from rollout.operations.show import changed
from rollout.operations.tiers import of_fleet
from rollout.planner.eligibility import exclusion
from rollout.store import candidates, pins, setting
from rollout.store.candidates import AsOf
from rollout.store.controls import Controls
from rollout.store.database import Database, Transaction
from rollout.store.history import failed_deploy
from rollout.store.plans import Plans, Seat
from rollout.store.progress import Progress
from rollout.store.waves import PLANNED, StoredWave, Waves


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
    `image`: what the release runs, as NAME@DIGEST, empty for a command.
    `ports`: of copies that listen elsewhere than was declared or told, or on several ports; where that was asked.
    `pin`: the one that it has, also where something else is the reason, and also one that has expired (`pin_holds` False).
    """

    service: str
    customer: str
    tier: Tier
    runs_on: tuple[RuntimeName, ...]
    release: int | None
    image: str
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
    ports: tuple[Listens, ...] = ()


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
    seat, moving = Plans(database).seat(service), _moving(database, service)
    wave = Waves(database).get(seat.wave) if seat else None
    planned = _planned(database, seat, wave, service, as_of) if seat and wave else None
    why_not = exclusion(candidate, policy)
    reason = why_not.reason if why_not else None
    waits_for, commands = _next(candidate, reason, planned, moving)
    if failure is not None and reason is Reason.NOT_RUNNING:
        waits_for, commands = "a deploy that succeeds", (*commands, (_OWNER, "rollout service logs {service}"))
    if wave and planned and planned.state in OPEN and not planned.stale and reason in {None, Reason.MOVING}:
        waits_for, commands = _hindered(_against(database, wave, as_of), moving, waits_for, commands)
    return Explanation(
        service=service,
        customer=candidate.customer,
        tier=candidate.tier,
        runs_on=candidate.runs_on,
        release=candidate.release,
        image=candidate.image,
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


def _against(database: Database, wave: StoredWave, as_of: AsOf) -> Sequence[Obstacle]:
    """What stands against the beginning of the wave, or halts it: what `execute` would say. The fleet is read last, if at all."""
    controls, waves = Controls(database).standing(now=as_of.now), Progress(database).waves()
    found = obstacles(wave, waves=waves, left={}, controls=controls, out_of_order=False)
    if found or wave.facts.state != PLANNED or wave.policy.tiers[0].tier is wave.facts.tier:
        return found
    left = of_fleet(database, wave.policy, as_of)
    return obstacles(wave, waves=waves, left=left, controls=controls, out_of_order=False)


def _hindered(found: Sequence[Obstacle], moving: Moving | None, waits_for: str, commands: Commands) -> tuple[str, Commands]:
    """What removes an obstacle comes first; no driver helps before."""
    if not found:
        return waits_for, commands
    others = tuple(one for one in commands if not one[1].startswith("rollout execute"))
    removing = tuple(dict.fromkeys((_OPERATOR, one.then) for one in found if one.then))
    held = moving is not None and moving.state not in FINAL and moving.waits_for
    return (waits_for if held else f"{waits_for}: {'; '.join(one.text for one in found)}"), (*removing, *others)


def _planned(database: Database, seat: Seat, wave: StoredWave, service: str, as_of: AsOf) -> Planned:
    move = next(move for move in wave.wave.moves if move.service == service)
    waiting = seat.state == PLANNED
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
