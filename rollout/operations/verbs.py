"""What a person says about a running rollout: pause, resume, approve, abort, fail, revert, retry. Each one idempotent."""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.errors import Exit, LockedError, StaleError, UsageError
from rollout.executor.budget import Tally
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import RuntimeName
from rollout.model.lease import Lease
from rollout.model.move import Move
from rollout.model.state import FINAL, Event, State, cell
from rollout.operations.back import ask_and_see, bring_back_finished, drive_these
from rollout.operations.means import Means
from rollout.operations.order import refuse_what_is_over
from rollout.operations.settling import OVER
from rollout.operations.subject import FLEET, wave_name, wave_number
from rollout.store import blocks
from rollout.store.controls import Ask
from rollout.store.waves import ENDED, PLANNED, RUNNING, STOPPED, StoredWave

OBEYED_S = 5.0
POLL_S = 0.1
EVENT = {ControlKind.FAIL: Event.FAIL, ControlKind.REVERT: Event.REVERT, ControlKind.APPROVE: Event.APPROVE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a verb did to one subject."""

    subject: str
    text: str
    exit: Exit = Exit.DONE


def pause(means: Means, wave: str | None, reason: str) -> Said:
    """No step forward any more, weights held, gates watch on: of one wave, or of everything."""
    subject = FLEET if wave is None else _known(means, wave).facts.name
    means.controls.write(_ask(means, ControlKind.PAUSE, subject, reason), now=means.clock.now())
    return Said(subject=subject, text=f"{_what(subject)} paused; next: {_resume(subject)}")


def resume(means: Means, wave: str | None, reason: str) -> Said:
    """The pause is over. A wave that stopped by its budget goes on: failures until now no longer count."""
    now = means.clock.now()
    if wave is None:
        ended = means.controls.end(ControlKind.PAUSE, FLEET, by=means.user, why=reason, now=now)
        return Said(subject=FLEET, text="everything goes on" if ended else "nothing was paused as a whole")
    stored = _known(means, wave)
    name, number = stored.facts.name, stored.facts.number
    ended = means.controls.end(ControlKind.PAUSE, name, by=means.user, why=reason, now=now)
    if stored.facts.state == STOPPED or _over_budget(means, stored):
        means.controls.end(ControlKind.RESUME_BUDGET, name, by=means.user, why="resumed again", now=now)
        means.controls.write(_ask(means, ControlKind.RESUME_BUDGET, name, reason), now=now)
        text = f"{name} goes on; failures until now no longer count"
    else:
        text = f"{name} goes on" if ended else f"{name} was not paused"
    if stored.facts.state == STOPPED:
        rows = means.progress.moves(number)
        over = len(rows) >= stored.facts.size and all(row.state in OVER for row in rows)
        means.waves.settle(number, ENDED if over else RUNNING, who=means.user, now=now)
    if any(c.kind is ControlKind.PAUSE and c.subject == FLEET for c in means.controls.standing(now=now)):
        text += "; everything is still paused: rollout resume"
    elif means.live_lease(name) is None and not means.scheduler_lives() and means.waves.get(number).facts.state == RUNNING:
        text += f"; nobody drives it: rollout execute {name}"
    return Said(subject=name, text=text)


def _over_budget(means: Means, wave: StoredWave) -> bool:
    """More of its moves have failed, since they were last forgiven, than may."""
    granted = max((c.at for c in means.controls.standing(now=means.clock.now()) if _grants(c, wave)), default=None)
    tally = Tally(means.progress.moves(wave.facts.number))
    return tally.failed(granted) > wave.policy.tier(wave.facts.tier).budget.of(wave.facts.size)


def _grants(control: Control, wave: StoredWave) -> bool:
    return control.kind is ControlKind.RESUME_BUDGET and control.subject == wave.facts.name


def approve_wave(means: Means, wave: str, reason: str) -> Said:
    """One person's approval of a wave; each person counts once."""
    stored = _known(means, wave)
    refuse_what_is_over(stored, means.clock.now())
    name = stored.facts.name
    ask = Ask(kind=ControlKind.APPROVAL, subject=name, actor=means.user, reason=reason, value=means.user)
    means.controls.write(ask, now=means.clock.now())
    rows = means.controls.standing(now=means.clock.now())
    given = len({c.actor for c in rows if c.kind is ControlKind.APPROVAL and c.subject == name})
    needed = stored.policy.tier(stored.facts.tier).approvals
    if needed == 0:
        return Said(subject=name, text=f"{name} is approved; its tier needs no approval")
    return Said(subject=name, text=f"{name} has {given} of {needed} approvals")


def approve_service(means: Means, service: str, reason: str) -> Said:
    """A person's word stands for what a held move lacks: it goes on, or v2 is kept when it is healthy."""
    row = _moving(means, service)
    if not cell(row.path, row.state, Event.APPROVE).approves:
        return Said(subject=service, text=f"{service} is {_told(row)}: there is nothing to approve")
    means.controls.write(_ask(means, ControlKind.APPROVE, service, reason), now=means.clock.now())
    if _obeyed(means, row):
        after = means.journal.move(row.id) or row
        return Said(subject=service, text=f"{service}: approved, {_told(after)}")
    return Said(subject=service, text=f"{service}: approved; nobody drives it: rollout execute {wave_name(row.wave)}")


def fail(means: Means, service: str, reason: str) -> Said:
    """Back, blocked, and counted in the failure budget."""
    row = _moving(means, service)
    if cell(row.path, row.state, Event.FAIL).refused:
        raise StaleError(f"{service} is {_told(row)}: fail cannot apply any more", then=f"rollout revert {service}")
    (after,) = ask_and_see(means, [row], ControlKind.FAIL, reason)
    return _ended(after)


def abort(means: Means, wave: str, reason: str) -> Said:
    """The wave's moves go back, not blocked; those that have not begun are skipped; warm ones stay moved."""
    stored = _known(means, wave)
    name, number = stored.facts.name, stored.facts.number
    if stored.facts.state == ENDED:
        return Said(subject=name, text=f"{name} has ended; revert brings its services back: rollout revert {name}")
    refuse_what_is_over(stored, means.clock.now())
    control = means.controls.write(_ask(means, ControlKind.ABORT, name, reason), now=means.clock.now())
    lease = means.live_lease(name)
    if lease is not None:
        return _obeying(name, lease)
    if stored.facts.state == PLANNED:
        means.waves.begin(number, who=means.user, why=f"abort: {reason}", now=means.clock.now())
    try:
        result = drive_these(means, number, [m.service for m in stored.wave.moves], f"abort {name}", obeys=(control.id,))
    except LockedError:
        return _obeying(name, means.live_lease(name))
    means.controls.end(ControlKind.ABORT, name, by=means.user, why="obeyed", now=means.clock.now())
    back, skipped = result.of(State.ABORTED, State.FELL_BACK), result.of(State.SKIPPED)
    text = f"{name} is aborted: {back} brought back, {skipped} not begun, {result.moved} stay moved"
    return Said(subject=name, text=text, exit=result.exit if result.interrupted or result.of(State.STUCK) else Exit.DONE)


def _obeying(name: str, lease: Lease | None) -> Said:
    """Somebody drives the wave, who obeys what was asked; he may just have ended."""
    by = f"{lease.holder.user}'s {lease.holder.doing}" if lease else "its driver"
    return Said(subject=name, text=f"{name} is aborted; {by} brings its moves back")


def revert(means: Means, services: Sequence[str], reason: str) -> list[Said]:
    """Each service is back on legacy and blocked: by its fall back where it moves, by a back move where it has finished."""
    said: list[Said] = []
    moving: list[Move] = []
    for service in services:
        row = means.progress.live_move(service)
        if row is not None and row.target is RuntimeName.LEGACY:
            said.append(_back_again(means, row))
        elif row is not None and row.state is not State.PLANNED:
            moving.append(row)
        elif row is not None:
            said.append(Said(subject=service, text=f"{service} runs on legacy; its move has not begun"))
    moving = list(ask_and_see(means, moving, ControlKind.REVERT, reason)) if moving else []
    said += [_ended(row) for row in moving if not _is_on_v2(means, row.service) or row.live]
    told = {s.subject for s in said}
    return said + _revert_finished(means, [s for s in services if s not in told], reason)


def revert_wave(means: Means, wave: str, reason: str) -> list[Said]:
    """Every service of the wave that is on v2, or on its way there, is brought back."""
    number = wave_number(wave)
    rows = means.progress.moves(number)
    if not rows:
        stored = _known(means, wave)
        size = stored.facts.size
        runs = f"{size} services run" if size != 1 else "one service runs"
        return [Said(subject=wave, text=f"{wave} has not begun: its {runs} on legacy")]
    wanted = [row.service for row in rows if row.live or row.state is State.FINISHED]
    rest = [row for row in rows if row.state in FINAL and row.state is not State.FINISHED]
    said = [Said(subject=row.service, text=f"{_at_rest(means, row.service)} ({_told(row)})") for row in rest]
    return said + revert(means, wanted, reason)


def retry(means: Means, service: str, reason: str) -> Said:
    """A blocked service may be planned again."""
    row = means.progress.live_move(service)
    if row is not None:
        return Said(subject=service, text=f"{service} is moving in {wave_name(row.wave)}: {_told(row)}")
    with means.database.writing() as session:
        was = blocks.remove(session, service, who=means.user, at=means.clock.now(), why=reason)
    if not was:
        return Said(subject=service, text=f"{service} was not blocked")
    return Said(subject=service, text=f"{service} may be planned again; next: rollout plan --service {service}")


def _revert_finished(means: Means, services: Sequence[str], reason: str) -> list[Said]:
    said: list[Said] = []
    done: list[Move] = []
    for service in services:
        last = means.progress.last_move(service, RuntimeName.V2)
        if not _is_on_v2(means, service):
            said.append(Said(subject=service, text=_at_rest(means, service)))
        elif last is None:
            text = f"{service} was never on legacy: there is nothing to go back to"
            said.append(Said(subject=service, text=text, exit=Exit.STALE))
        else:
            done.append(last)
    if done:
        try:
            said += [_ended(row) for row in bring_back_finished(means, done, reason=reason or f"revert by {means.user}")]
        except LockedError as error:
            said += [Said(subject=row.service, text=f"{row.service}: {error.what}", exit=error.exit_code) for row in done]
    return said


def _back_again(means: Means, row: Move) -> Said:
    """A back move that nobody drives any more goes on."""
    name = wave_name(row.wave)
    if means.live_lease(name) is not None:
        return Said(subject=row.service, text=f"{row.service} is being brought back in {name}: {_told(row)}")
    drive_these(means, row.wave, [row.service], f"revert {row.service}")
    return _ended(means.journal.move(row.id) or row)


def _ended(row: Move) -> Said:
    why = f": {row.reason}" if row.reason else ""
    to_legacy = row.target is RuntimeName.LEGACY
    if row.live:
        if row.state is State.STUCK:
            then = f"once that is repaired: rollout revert {row.service}"
            return Said(subject=row.service, text=f"{row.service} is stuck{why}; {then}", exit=Exit.STOPPED)
        return Said(subject=row.service, text=f"{row.service} is {_told(row)}{why}")
    if to_legacy and row.state is not State.FINISHED:
        text = f"{row.service} stays on v2: legacy could not take over{why}"
        return Said(subject=row.service, text=text, exit=Exit.STOPPED)
    if row.state is State.FINISHED and not to_legacy:
        return Said(subject=row.service, text=f"{row.service} has finished on v2")
    blocked = " and blocked" if row.blocks else ""
    return Said(subject=row.service, text=f"{row.service} is back on legacy{blocked}{why}")


def _obeyed(means: Means, row: Move) -> bool:
    """Whether a live driver, or the scheduler, obeyed within a few seconds what was just asked of this move."""
    waited = 0.0
    drivers = (wave_name(row.wave), f"service:{row.service}")
    while waited < OBEYED_S and (means.live_lease(*drivers) is not None or means.scheduler_lives()):
        if not any(c.subject == row.service and c.kind in EVENT for c in means.controls.standing(now=means.clock.now())):
            return True
        means.clock.sleep(POLL_S)
        waited += POLL_S
    return False


def _moving(means: Means, service: str) -> Move:
    row = means.progress.live_move(service)
    if row is not None:
        return row
    last = means.progress.last_move(service)
    then = f"rollout revert {service}" if _is_on_v2(means, service) else f"rollout explain {service}"
    was = f": its move has {'finished' if last.state is State.FINISHED else 'ended'}" if last else ""
    raise StaleError(f"{service} is not moving{was}", then=then)


def _at_rest(means: Means, service: str) -> str:
    """Where a service is that v2 does not run."""
    if means.standing.placements(service):
        return f"{service} runs on legacy"
    return f"{service} runs nowhere: there is nothing to bring back"


def _is_on_v2(means: Means, service: str) -> bool:
    return any(p.runtime is RuntimeName.V2 for p in means.standing.placements(service))


def _known(means: Means, wave: str) -> StoredWave:
    number = wave_number(wave)
    if number < 0:
        raise UsageError(f"{wave} is a wave of back moves: nothing stops the way back", then="rollout status")
    return means.waves.get(number)


def _ask(means: Means, kind: ControlKind, subject: str, reason: str) -> Ask:
    return Ask(kind=kind, subject=subject, actor=means.user, reason=reason)


def _told(row: Move) -> str:
    return row.state.replace("_", " ")


def _what(subject: str) -> str:
    return "everything is" if subject == FLEET else f"{subject} is"


def _resume(subject: str) -> str:
    return "rollout resume" if subject == FLEET else f"rollout resume {subject}"


def worst(said: Sequence[Said]) -> Exit:
    """The exit code of all of them together: the gravest."""
    return max((s.exit for s in said), default=Exit.DONE)
