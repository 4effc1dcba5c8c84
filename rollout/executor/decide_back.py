"""The decision on the way back: the undos in reverse, each only while it cannot stop the last healthy copy. Pure."""

from datetime import datetime, timedelta

from rollout.executor.actions import Action, Case, Do, Fire, Look, Remind, Wait, evidence, told, worst
from rollout.model.state import Event
from rollout.model.verdict import Outcome

STUCK_LOOK_S = 10.0
STUCK_LONGEST_S = 30.0
STUCK_SHARE = 10
"""What the gap stopped is launched again after a tenth of the time that the move has been stuck."""


def falling_back(case: Case) -> Action:
    """Prove the source, shift, drain the target, stop it, unpublish. In a gap the source is launched again first."""
    row, seen = case.row, case.seen
    if not row.begun:
        return Fire(event=Event.OK)
    if seen is None:
        return Look()
    if seen.broken:
        return Wait(until=case.next_look, hold=seen.broken)
    if not case.has("gap"):
        unproven = _unproven(case)
        if unproven is not None:
            return unproven
    last = row.begun[-1]
    if last == "launch" and not _drained(case):
        return Wait(until=case.next_look, remark=f"{row.target} drains")
    return Do(step=f"undo:{last}", evidence=_outlived(case) if last == "launch" else {})


def stuck(case: Case) -> Action:
    """Falls back further as soon as the source is healthy; a source that the gap stopped is launched again and again."""
    row = case.row
    if case.seen is None:
        return Look()
    if case.has("gap"):
        if case.now >= _next_try(case):
            return Do(step=f"undo:{row.begun[-1]}")
    elif not case.seen.broken and not source_trouble(case) and worst(case.seen.source_verdicts) is Outcome.PASS:
        return Fire(event=Event.OK, reason=f"{row.source} is healthy again", evidence=evidence(case.seen))
    if row.deadline is not None and case.now >= row.deadline:
        return Remind(reason=f"{row.service} is still stuck: {row.reason}")
    if case.has("gap"):
        return Wait(until=_next_try(case), remark=f"{row.source} to come up: it is launched again and again")
    return Wait(until=case.now + timedelta(seconds=STUCK_LOOK_S))


def _next_try(case: Case) -> datetime:
    """Every 10 s at first: nothing serves. Less often the longer it lasts, down to twice a minute."""
    last = case.row.mark or case.row.since
    share = (last - case.row.since).total_seconds() / STUCK_SHARE
    return last + timedelta(seconds=min(max(STUCK_LOOK_S, share), STUCK_LONGEST_S))


def source_lost(case: Case) -> str:
    """How the source's copy is not there; empty where it runs, or where the gap has stopped it on purpose."""
    row, seen = case.row, case.seen
    if seen is None or seen.broken or case.has("gap"):
        return ""
    if seen.source is None:
        return f"no copy runs on {row.source}"
    if not seen.source.alive:
        return f"{seen.source.running} of {seen.source.wanted} copies run on {row.source}"
    return ""


def source_trouble(case: Case) -> str:
    """Why traffic must not go back to the source."""
    verdicts = case.seen.source_verdicts if case.seen else ()
    return source_lost(case) or told(verdicts, Outcome.FAIL)


def _unproven(case: Case) -> Action | None:
    """What stands between now and a source that is known to be healthy; None where it is."""
    seen = case.seen
    verdicts = seen.source_verdicts if seen else ()
    lost = source_lost(case)
    if lost:
        return Fire(event=Event.SOURCE_LOST, reason=f"cannot fall back: {lost}", evidence=evidence(seen))
    outcome = worst(verdicts)
    if outcome is Outcome.PASS:
        return None
    if outcome is Outcome.ERROR:
        return Wait(until=case.next_look, hold=told(verdicts, Outcome.ERROR))
    if outcome is Outcome.FAIL or case.late():
        reason = told(verdicts, outcome)
        return Fire(event=Event.FAILED, reason=f"cannot fall back: {case.row.source}: {reason}", evidence=evidence(seen))
    return Wait(until=case.next_look, remark=f"{case.row.source} is looked at")


def _drained(case: Case) -> bool:
    seen = case.seen
    if seen is None or seen.open_on_target == 0:
        return True
    limit = min(seen.release.spec.draining_s if seen.release else 0.0, case.policy.deadlines.draining_s)
    return case.passed(case.row.mark or case.row.since, limit)


def _outlived(case: Case) -> dict[str, object]:
    left = case.seen.open_on_target if case.seen else 0
    return {"outlived": left} if left else {}
