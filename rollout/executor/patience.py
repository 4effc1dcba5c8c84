"""How long a move waits at most, and what happens then. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from rollout.executor.actions import Case, Seen, Wait
from rollout.model.policy import Inconclusive
from rollout.model.state import Event, cell
from rollout.model.verdict import Outcome

FALLS_BACK = "it falls back"
COMES_BACK = "it is brought back"
ACCEPTED = "it goes on although inconclusive"
DECIDED: Mapping[Inconclusive, str] = {
    Inconclusive.HOLD: "it is inconclusive and held for an approval",
    Inconclusive.PROBE: "it is inconclusive and asked by our own requests",
    Inconclusive.ACCEPT: "it is inconclusive and watched for as long again",
}


def lacking(seen: Seen) -> str:
    """What the gates that cannot tell yet wait for."""
    return " and ".join(v.waits_for or v.gate for v in seen.verdicts if v.outcome is Outcome.INCONCLUSIVE)


def unsure(case: Case, seen: Seen, ends: datetime | None, then: str) -> Wait:
    """The gates cannot tell yet; at `ends` nobody waits for them any longer."""
    return Wait(until=case.next_look, remark=lacking(seen), ends=ends, then=then if ends else "")


def deadline(case: Case) -> datetime | None:
    """When the time of the state is over, if nothing holds the move from now on."""
    return case.end(case.row.deadline, 0.0) if case.row.deadline else None


def limited(case: Case, wait: Wait) -> Wait:
    """The same; where a move is held with traffic on its target, with the end of the policy's `hold_limit`."""
    row = case.row
    if not wait.hold or row.weight == 0 or cell(row.path, row.state, Event.HOLD_OVER).to is None:
        return wait
    left = case.policy.hold_limit_s - row.held_s
    return replace(wait, ends=(row.held_since or case.now) + timedelta(seconds=left), then=COMES_BACK)
