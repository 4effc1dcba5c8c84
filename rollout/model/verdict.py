"""What a gate says."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from rollout.model.values import field, value


class Outcome(StrEnum):
    """The four verdicts. `error`: the check itself broke; it pauses a move and never brings it back."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@value(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate says of one move at one time, with the numbers, the rule and the threshold it stands on.

    `waits_for`: what an inconclusive one lacks, in words that change seldom (`few`); empty: the gate's name says enough.
    """

    gate: str
    outcome: Outcome
    reason: str
    at: datetime
    evidence: Mapping[str, object] = field(default_factory=dict)
    waits_for: str = ""


def few(there: int, wanted: int, what: str = "requests") -> str:
    """`0 of 150 requests`, `60 or more of 150 requests`: in tenths, so that whoever writes down each change writes ten lines."""
    tenths = min(10 * there // wanted, 9) if wanted > 0 else 0
    at_least = wanted * tenths // 10
    if there == 0:
        return f"0 of {wanted} {what}"
    return f"{at_least} or more of {wanted} {what}" if at_least else f"a few of {wanted} {what}"
