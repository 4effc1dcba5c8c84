"""The decision: what one move does next, from its row, one look, and what holds for its wave. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from rollout.executor.actions import Action, Case, Do, Fire, Look, Rules, Seen, Wait, evidence, told, worst
from rollout.executor.decide_back import falling_back, source_lost, source_trouble, stuck
from rollout.executor.patience import ACCEPTED, DECIDED, FALLS_BACK, deadline, limited, unsure
from rollout.model.move import Move
from rollout.model.policy import Inconclusive, Overrun
from rollout.model.ports import unexpected
from rollout.model.state import Event, State, cell
from rollout.model.verdict import Outcome

LONGEST_LOOK_S = 60.0
OURS = "by our own requests"
"""So begins the reason of a verdict that stands on them."""


def decide(rules: Rules, row: Move, seen: Seen | None, now: datetime) -> Action:
    """The next action of a move that has begun and not ended. `seen` is what a look at it in this state has just found."""
    case = Case(rules=rules, row=row, seen=seen, now=now)
    imposed = _imposed(case)
    if imposed is not None:
        return imposed
    action = Do(step=row.doing) if row.doing else STATES[row.state](case)
    return limited(case, action) if isinstance(action, Wait) else action


def _imposed(case: Case) -> Fire | None:
    """What the wave, or the clock, makes of a move whatever it is doing."""
    row, rules, policy = case.row, case.rules, case.policy
    if rules.stopped and cell(row.path, row.state, Event.BUDGET).to is not None:
        return Fire(event=Event.BUDGET, reason=rules.stopped)
    held_too_long = row.weight > 0 and case.held_s() >= policy.hold_limit_s
    if held_too_long and cell(row.path, row.state, Event.HOLD_OVER).to is not None:
        return Fire(event=Event.HOLD_OVER, reason=f"held at {row.weight} % for {case.held_s():.0f} s: {row.waits_for}")
    if row.doing and case.late() and cell(row.path, row.state, Event.FAILED).to is not None:
        return Fire(event=Event.FAILED, reason=f"{row.doing} did not end in time")
    return None


def _publishing(case: Case) -> Action:
    if not case.has("publish"):
        return Do(step="publish")
    return _onward(case)


def _launching(case: Case) -> Action:
    if not case.has("launch"):
        return Do(step="launch")
    return _onward(case)


def _gap(case: Case) -> Action:
    missing = next((step for step in ("gap", "launch") if not case.has(step)), None)
    return Do(step=missing) if missing else Fire(event=Event.OK)


def _onward(case: Case) -> Action:
    hold = case.rules.forbids(case.row)
    return Wait(until=case.next_look, hold=hold) if hold else Fire(event=Event.OK)


def _proving(case: Case) -> Action:
    shifted = next((step for step in reversed(case.row.begun) if step.startswith("shift:")), None)
    if case.seen is None:
        return Look()
    trouble = _trouble(case, case.seen)
    if trouble is not None:
        return trouble
    lost = source_lost(case) or (shifted and source_trouble(case))
    hold = _broken(case.seen) or (f"{case.row.source} is not healthy: {lost}" if lost else "")
    if hold:
        return Wait(until=case.next_look, hold=hold, evidence=_of_error(case.seen))
    if shifted:
        return Do(step=f"undo:{shifted}")
    hold = case.rules.forbids(case.row)
    if hold:
        return Wait(until=case.next_look, hold=hold)
    return _proved(case, case.seen)


def _proved(case: Case, seen: Seen) -> Action:
    if worst(seen.verdicts) is Outcome.PASS:
        return Fire(event=Event.OK, reason=unexpected(seen.target.ports_note) if seen.target else "", evidence=evidence(seen))
    patience = seen.release.spec.health_timeout_s if seen.release else 0.0
    if case.late() and case.passed(case.row.since, patience):
        why = told(seen.verdicts, Outcome.INCONCLUSIVE)
        return Fire(event=Event.FAILED, reason=f"not proven healthy in time: {why}", evidence=evidence(seen))
    limit = deadline(case)
    return unsure(case, seen, max(limit, case.end(case.row.since, patience)) if limit else None, FALLS_BACK)


def _shifting(case: Case) -> Action:
    row = case.row
    wanted = row.steps[row.step]
    if row.weight != wanted or not case.has(f"shift:{wanted}"):
        return _shift(case, wanted)
    if row.step == len(row.steps) - 1:
        return Fire(event=Event.OK)
    if case.seen is None:
        return Look()
    waits = _watched(case, case.seen, source_matters=True)
    if waits is not None:
        return waits
    return _passed(case, case.seen, row.mark or row.since, case.policy.step_s)


def _shift(case: Case, wanted: int) -> Action:
    if not case.rules.forbids(case.row):
        return Do(step=f"shift:{wanted}")
    if case.seen is None:
        return Look()
    return _watched(case, case.seen, source_matters=True) or Wait(until=case.next_look)


def _baking(case: Case) -> Action:
    if case.seen is None:
        return Look()
    waits = _watched(case, case.seen, source_matters=False)
    if waits is not None:
        return waits
    return _passed(case, case.seen, case.row.since, case.policy.bake_s)


def _warm(case: Case) -> Action:
    if case.seen is None:
        return Look()
    waits = _watched(case, case.seen, source_matters=False)
    if waits is not None:
        return waits
    if case.passed(case.row.since, case.policy.keep_warm_s):
        return Fire(event=Event.OK)
    end = case.end(case.row.since, case.policy.keep_warm_s)
    every = min(max(case.policy.health.every_s, case.policy.keep_warm_s / 100), LONGEST_LOOK_S)
    return Wait(until=min(case.now + timedelta(seconds=every), end), remark=_backup(case))


def _finishing(case: Case) -> Action:
    row, seen = case.row, case.seen
    if row.path.gap or case.has("finish"):
        return Fire(event=Event.OK)
    if seen is None:
        return Look()
    if seen.broken:
        return Wait(until=case.next_look, hold=seen.broken)
    if seen.target is None or not seen.target.alive:
        return Wait(until=case.next_look, hold=f"{row.target} is not healthy: {row.source} is kept until it is")
    limit = min(seen.release.spec.draining_s if seen.release else 0.0, case.policy.deadlines.draining_s)
    if seen.open_on_source == 0 or case.passed(row.since, limit):
        return Do(step="finish", evidence={"outlived": seen.open_on_source} if seen.open_on_source else {})
    return Wait(until=case.next_look, remark=f"{row.source} drains")


def _watched(case: Case, seen: Seen, *, source_matters: bool) -> Action | None:
    """What keeps a move with traffic from going on; None where nothing does."""
    trouble = _trouble(case, seen)
    if trouble is not None:
        return trouble
    hold = _broken(seen)
    if source_matters and not case.row.approved and not hold and source_lost(case):
        hold = f"{case.row.source} has died: approve {case.row.service} goes on without a way back"
    if not hold and not source_lost(case) and _goes_back_to_zero(case):
        return Fire(event=Event.CLOSED, reason=case.rules.closed)
    hold = hold or case.rules.forbids(case.row)
    return Wait(until=case.next_look, hold=hold, evidence=_of_error(seen)) if hold else None


def _goes_back_to_zero(case: Case) -> bool:
    """The window has ended, and traffic goes back to the next safe point; only a source that runs can take it."""
    closed = case.rules.closed and case.policy.overrun is Overrun.BACK
    return bool(closed) and cell(case.row.path, case.row.state, Event.CLOSED).to is not None


def _passed(case: Case, seen: Seen, start: datetime, seconds: float) -> Action:
    """The watch over a traffic step or the bake: its time is over, and the gates are content."""
    if not case.passed(start, seconds):
        return Wait(until=min(case.next_look, case.end(start, seconds)), remark=_backup(case))
    if worst(seen.verdicts) is Outcome.PASS or case.row.approved:
        return Fire(event=Event.OK, reason=_by_our_own(case, seen), evidence=evidence(seen))
    if not case.late():
        return unsure(case, seen, deadline(case), DECIDED[case.rules.inconclusive])
    return _inconclusive(case, seen, start)


def _by_our_own(case: Case, seen: Seen) -> str:
    """What was found by our own requests alone is said."""
    ours = [v for v in seen.verdicts if v.outcome is Outcome.PASS and v.reason.startswith(OURS)]
    return "; ".join(f"{v.gate}: {v.reason}" for v in ours) if case.probes() else ""


def _inconclusive(case: Case, seen: Seen, start: datetime) -> Action:
    """The gates could not tell within the limit: what the tier's policy says.

    With `probe` the gates ask by themselves from then on, and say what they found; until then, or where they cannot, it holds.
    """
    why = told(seen.verdicts, Outcome.INCONCLUSIVE)
    rule = case.rules.inconclusive
    longer = 2 * ((case.row.deadline or start) - start).total_seconds()
    if rule is Inconclusive.ACCEPT:
        if case.passed(start, longer):
            return Fire(event=Event.OK, reason=f"accepted although inconclusive: {why}", evidence=evidence(seen))
        return unsure(case, seen, case.end(start, longer), ACCEPTED)
    first = {} if case.row.held_since else evidence(seen)
    return Wait(until=case.next_look, hold=f"inconclusive ({why}): approve {case.row.service}", evidence=first)


def _trouble(case: Case, seen: Seen) -> Fire | None:
    """The target is worse than it may be."""
    reason = "" if seen.broken else _target_trouble(case.row, seen)
    if not reason:
        return None
    lost = source_lost(case)
    if lost:
        return Fire(event=Event.BOTH_LOST, reason=f"{reason}; {lost}", evidence=evidence(seen))
    return Fire(event=Event.FAILED, reason=reason, evidence=evidence(seen))


def _target_trouble(row: Move, seen: Seen) -> str:
    copy = seen.target
    if copy is None:
        return f"no copy runs on {row.target} any more"
    if not copy.alive:
        ended = "" if copy.exit_code is None else f", the last one ended with {copy.exit_code}"
        return f"{copy.running} of {copy.wanted} copies run on {row.target}{ended}"
    if copy.restarts and row.state is not State.WARM:
        return f"the copy on {row.target} was restarted ({copy.restarts})"
    return told(seen.verdicts, Outcome.FAIL)


def _broken(seen: Seen) -> str:
    return seen.broken or told(seen.verdicts, Outcome.ERROR)


def _of_error(seen: Seen) -> dict[str, object]:
    return evidence(seen) if worst(seen.verdicts) is Outcome.ERROR else {}


def _backup(case: Case) -> str:
    return f"no way back now: {case.row.source} has died" if source_lost(case) else ""


STATES: Mapping[State, Callable[[Case], Action]] = {
    State.PUBLISHING: _publishing,
    State.LAUNCHING: _launching,
    State.GAP: _gap,
    State.PROVING: _proving,
    State.SHIFTING: _shifting,
    State.BAKING: _baking,
    State.WARM: _warm,
    State.FINISHING: _finishing,
    State.FALLING_BACK: falling_back,
    State.STUCK: stuck,
}
