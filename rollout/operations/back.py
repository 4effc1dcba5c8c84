"""Bringing services back: those that move, through their driver or without one; those that have finished, by a back move."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from rollout.errors import LockedError
from rollout.executor.drive import drive
from rollout.executor.enrol import back_row, enrol
from rollout.executor.ports import ControlKind
from rollout.executor.result import Until, WaveResult
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.move import Move
from rollout.model.plan import Wave
from rollout.model.policy import Policy
from rollout.model.state import State
from rollout.operations.means import Means
from rollout.operations.narrow import Narrowed, NarrowedStanding
from rollout.operations.settling import settle_if_over
from rollout.operations.subject import wave_name
from rollout.store import audit, counters, pins, setting
from rollout.store.controls import Ask

POLL_S = 0.2
NO_TIER = Tier.TRIAL
"""A wave of back moves has no tier: no rule of a tier holds for the way back."""


def ask_and_see(means: Means, rows: Sequence[Move], kind: ControlKind, reason: str, *, value: str = "") -> Sequence[Move]:
    """The verb stands for each of these moves and is obeyed: by their live driver, else by driving them here to their end.

    The rows as they then are. Returns early when asked to stop: the verb stands, any driver obeys it.
    """
    now = means.clock.now()
    for row in rows:
        ask = Ask(kind=kind, subject=row.service, actor=means.user, reason=reason, value=value)
        means.controls.write(ask, now=now)
    by_wave: defaultdict[int, list[Move]] = defaultdict(list)
    for row in rows:
        by_wave[row.wave].append(row)
    for number, members in by_wave.items():
        see_to_the_end(means, number, [row.service for row in members], value or str(kind))
    return [means.journal.move(row.id) or row for row in rows]


def see_to_the_end(means: Means, number: int, services: Sequence[str], doing: str) -> None:
    """Return when these moves of a wave are where their verbs lead, whoever drives them; or when asked to stop."""
    while not means.stop_requested():
        if means.live_lease(wave_name(number)) is None:
            try:
                drive_these(means, number, services, f"{doing} {' '.join(services)}"[:80], until=Until.FINISHED)
            except LockedError:
                continue
            return
        if all(_rests(means, number, service) for service in services):
            return
        means.clock.sleep(POLL_S)


def _rests(means: Means, number: int, service: str) -> bool:
    """The move has ended, or it is warm or stuck and no verb waits to be obeyed any more."""
    row = means.journal.move(f"{wave_name(number)}/{service}")
    if row is None or not row.live:
        return True
    asked = any(c.subject == service for c in means.standing.controls(number) if c.kind is not ControlKind.PAUSE)
    return not asked and row.state in {State.WARM, State.STUCK, State.PLANNED}


def drive_these(
    means: Means,
    number: int,
    services: Sequence[str],
    doing: str,
    *,
    obeys: Collection[int] = (),
    until: Until = Until.WARM,
) -> WaveResult:
    """Drive only these services of a wave, under the wave's lease. LockedError where somebody drives it.

    Verbs said about these services are obeyed, and those verbs of the wave that are named by their ids in `obeys`.
    """
    wave, policy = _wave(means, number)
    chosen = frozenset(services)
    with means.lease(wave.name, doing) as lease:
        world = means.world(policy)
        narrow = replace(
            world,
            journal=Narrowed(world.journal, chosen),
            standing=NarrowedStanding(world.standing, chosen, obeys),
        )
        result = drive(narrow, replace(wave, moves=tuple(m for m in wave.moves if m.service in chosen)), lease, until=until)
        settle_if_over(means, number)
    carry_out(means, result.queued)
    return result


def carry_out(means: Means, queued: Mapping[str, str]) -> None:
    """What was asked of moves that had to end first. What a deploy, stop or remove wants is done by the one who asked."""
    with means.database.reading() as session:
        pinned = pins.holding(session, means.clock.now())
    wanted = {s: act for s, act in queued.items() if act == "revert" or (act == "pin" and s in pinned)}
    for act in ("revert", "pin"):
        due = (s for s, asked in wanted.items() if asked == act and not _brought_back(means, s))
        done = [row for s in due if (row := finished_on_v2(means, s)) is not None]
        if done:
            bring_back_finished(means, done, reason=f"{act} was asked while it finished", blocks=act == "revert")


def _brought_back(means: Means, service: str) -> bool:
    """The service's newest move is the one that was to bring it back, whatever it came to: it is not tried time and again."""
    last = means.progress.last_move(service)
    return last is not None and last.target is RuntimeName.LEGACY


def finished_on_v2(means: Means, service: str) -> Move | None:
    """The newest move of a service whose move to v2 has finished and that runs there; None where it is otherwise."""
    last = means.progress.last_move(service, RuntimeName.V2)
    done = last is not None and last.state is State.FINISHED
    return last if done and RuntimeName.V2 in runs_on(means, service) else None


def runs_on(means: Means, service: str) -> Sequence[RuntimeName]:
    """Where copies of it run."""
    return [placement.runtime for placement in means.standing.placements(service)]


def bring_back_finished(means: Means, done: Sequence[Move], *, reason: str, blocks: bool = True) -> Sequence[Move]:
    """Services whose move to v2 has finished run on legacy again, unless legacy fails; their back moves' rows.

    LockedError where a live driver has one of the services, StaleError once the setting is written off; none is touched then.
    """
    for row in done:
        means.refuse_if_driven(f"service:{row.service}")
    now = means.clock.now()
    with means.database.writing() as session:
        setting.require_legacy(session, "no service can go back to legacy")
        number = counters.next(session, counters.BACK)
        lines = (audit.Line(who=means.user, what="revert", subject=row.service, why=reason) for row in done)
        audit.append_many(session, lines, now)
    wave = Wave(number=-number, tier=NO_TIER, moves=())
    rows = [
        back_row(row, number=number, position=n, now=now, reason=reason, actor=means.user, blocks=blocks)
        for n, row in enumerate(done)
    ]
    with means.lease(wave.name, f"revert {' '.join(row.service for row in done)}"[:80]) as lease:
        world = means.world(means.policy)
        enrol(world.journal, lease, rows)
        drive(world, wave, lease)
    return [means.journal.move(row.id) or row for row in rows]


def bring_back(means: Means, service: str, act: str, reason: str) -> Move | None:
    """The owner wants to `deploy`, `stop` or `remove` a service: its live move is brought back or finished first.

    The move as it then is; None where the service was not moving.
    """
    row = means.progress.live_move(service)
    if row is not None:
        (row,) = ask_and_see(means, [row], ControlKind.OWNER, reason, value=act)
    return row


def _wave(means: Means, number: int) -> tuple[Wave, Policy]:
    if number < 0:
        return Wave(number=number, tier=NO_TIER, moves=()), means.policy
    stored = means.waves.get(number)
    return stored.wave, stored.policy
