"""What a gate says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """The four verdicts. `error`: the check itself broke; it pauses a move and never brings it back."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate says of one move at one time, with the numbers, the rule and the threshold it stands on."""

    gate: str
    outcome: Outcome
    reason: str
    at: datetime
    evidence: Mapping[str, object] = field(default_factory=dict)
