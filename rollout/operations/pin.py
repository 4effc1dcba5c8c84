"""Pins: owners who stay on legacy for a while. A service in flight or on v2 is brought back first, and is not blocked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rollout.errors import Exit, LockedError, StaleError, UsageError
from rollout.executor.ports import ControlKind
from rollout.model.fleet import Pin, RuntimeName
from rollout.model.move import Move
from rollout.model.state import State
from rollout.operations.back import ask_and_see, bring_back_finished, finished_on_v2, runs_on
from rollout.operations.means import Means
from rollout.operations.setting import Rules, Wish, leave, stay, told
from rollout.operations.subject import wave_name
from rollout.operations.verbs import Said
from rollout.store import blocks, pins, setting
from rollout.store.database import Transaction

LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned(Said):
    """What became of one service: its pin before and now. None: it had none, has none."""

    before: Pin | None
    pin: Pin | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    before: Pin | None
    pin: Pin
    changed: bool


def pin(means: Means, services: Sequence[str], wish: Wish) -> list[Pinned]:
    """Each service stays on legacy until its pin ends: the pins are written first, then what moves or has moved comes back.

    UsageError where the wish does not fit, StaleError where there is no legacy to stay on: nothing is changed then.
    """
    rules = _rules(means)
    _check(wish, rules)
    for service in services:
        _refuse_where_never_on_legacy(means, service)
    with means.database.writing() as session:
        setting.require_legacy(session, "no service can stay on legacy")
        written = {service: _write(session, service, wish, rules) for service in services}
    reasons = dict.fromkeys(one.pin.reason for one in written.values())
    after = bring_back_pinned(means, services, "; ".join(reasons))
    return [_told(means, service, one, after.get(service)) for service, one in written.items()]


def bring_back_pinned(means: Means, services: Sequence[str], reason: str) -> Mapping[str, Move | LockedError]:
    """Those of these services that move, or have moved, run on legacy again and are not blocked: by their live driver, or here.

    Their moves as they then are, or who has them; nothing for a service that was on legacy. Returns early when asked to stop:
    the same pin again goes on.
    """
    rows = [row for service in services if (row := means.progress.live_move(service)) is not None]
    moved = ask_and_see(means, rows, ControlKind.OWNER, reason, value="pin")
    after: dict[str, Move | LockedError] = {row.service: row for row in moved}
    done = [row for service in services if (row := finished_on_v2(means, service)) is not None]
    if done and not means.stop_requested():
        try:
            after |= {row.service: row for row in bring_back_finished(means, done, reason=f"pin: {reason}", blocks=False)}
        except LockedError as error:
            after |= {row.service: error for row in done}
    return after


def unpin(means: Means, services: Sequence[str], reason: str) -> list[Pinned]:
    """None of the services is pinned: each may be planned again, and what the pin asked of a driver is asked no more."""
    rules = _rules(means)
    with means.database.writing() as session:
        before = {service: leave(session, service, rules, reason=told(reason)) for service in services}
        blocked = {service: block.reason for service, block in blocks.every(session).items()}
    for service in services:
        means.controls.end(ControlKind.OWNER, service, by=means.user, why="unpin", now=rules.now, value="pin")
    return [
        Pinned(subject=s, text=_unpinned(means, s, gone, blocked.get(s), rules), before=gone, pin=None)
        for s, gone in before.items()
    ]


def _rules(means: Means) -> Rules:
    policy = means.policy
    now = means.clock.now()
    return Rules(who=means.user, now=now, v2_default_from=policy.v2_default_from, pin_days=policy.pin_days)


def _check(wish: Wish, rules: Rules) -> None:
    for name, text in (("reason", wish.reason), ("owner", wish.owner), ("blocker", wish.blocker)):
        if text is not None and len(text) > LONGEST:
            raise UsageError(f"--{name} has {len(text)} characters, {LONGEST} are the most", then="say it in fewer words")
    if wish.reason is not None and not told(wish.reason):
        raise UsageError("a pin needs a reason, and this one is empty", then="add --reason '…'")
    if wish.owner is not None and not told(wish.owner):
        raise UsageError("--owner is empty", then="name the owner, or leave --owner out: then it is who pins")
    if wish.until is not None and wish.until <= rules.now:
        raise UsageError(f"--until: {wish.until:%Y-%m-%d %H:%M} UTC is over", then="a later date, or a span like 30d")


def _refuse_where_never_on_legacy(means: Means, service: str) -> None:
    moved = means.progress.last_move(service, RuntimeName.V2) is not None
    if not moved and RuntimeName.V2 in runs_on(means, service):
        raise StaleError(
            f"{service} was never on legacy: there is nothing to stay on",
            then=f"to begin there: rollout service stop {service}, then pin it, then deploy it",
        )


def _write(session: Transaction, service: str, wish: Wish, rules: Rules) -> _Written:
    before = pins.get(session, service)
    held = before if before is not None and before.holds(rules.now) else None
    if wish.reason is None and held is None:
        raise UsageError(f"{service}: a pin needs a reason", then=f"rollout pin {service} --reason '…'")
    changed = stay(session, service, wish, rules)
    written = pins.get(session, service)
    assert written is not None
    return _Written(before=held, pin=written, changed=changed)


def _told(means: Means, service: str, written: _Written, after: Move | LockedError | None) -> Pinned:
    """The pin in words, and below it what became of a move."""
    if written.before is None:
        lines = [f"{service} is pinned {written.pin.told}"]
    elif written.before == written.pin:
        lines = [f"{service} is pinned already, just like this: {written.pin.told}"]
    else:
        lines = [f"{service}: its pin has changed", f"  it was {written.before.told}", f"  it is {written.pin.told}"]
    text, exit_code = _outcome(means, service, after)
    lines += [f"  {text}"] * bool(text)
    return Pinned(subject=service, text="\n".join(lines), exit=exit_code, before=written.before, pin=written.pin)


def _outcome(means: Means, service: str, after: Move | LockedError | None) -> tuple[str, Exit]:
    """What became of its move, or where it runs; empty where it runs on legacy as before."""
    there = runs_on(means, service)
    if isinstance(after, LockedError):
        return f"it is on v2 still, {after.what}; then: rollout pin {service}", after.exit_code
    if after is not None and after.live:
        text = f"it is {_words(after.state)} in {wave_name(after.wave)} and comes back when that has ended; next: rollout status"
        return text, Exit.STOPPED if after.state is State.STUCK else Exit.DONE
    if after is not None and after.target is RuntimeName.LEGACY and after.state is not State.FINISHED:
        return f"it stays on v2, legacy could not take over: {after.reason}", Exit.STOPPED
    if RuntimeName.V2 in there:
        return f"it is on v2 still; the same command goes on: rollout pin {service}", Exit.DONE
    if after is not None and after.target is RuntimeName.LEGACY:
        return "it is back on legacy", Exit.DONE
    if after is not None:
        return f"it runs on legacy: its move in {wave_name(after.wave)} is {_words(after.state)}", Exit.DONE
    return ("" if there else "it runs nowhere; a deploy launches it on legacy"), Exit.DONE


def _unpinned(means: Means, service: str, gone: Pin | None, blocked: str | None, rules: Rules) -> str:
    if gone is None:
        return f"{service} is not pinned"
    if not gone.holds(rules.now):
        return f"{service} was pinned no more: its pin {gone.told} had expired"
    text = f"{service} is pinned no more; it was {gone.told}"
    if blocked:
        return f"{text}\n  it stays blocked: {blocked}; next: rollout retry {service}"
    if RuntimeName.LEGACY in runs_on(means, service) and means.progress.live_move(service) is None:
        return f"{text}\n  it may be planned again; next: rollout plan --service {service}"
    return text


def _words(state: State) -> str:
    return state.replace("_", " ")
