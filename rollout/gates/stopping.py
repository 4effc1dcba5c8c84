"""From the first bad sample to the decision: what every verdict `fail` tells of its own speed."""

from datetime import datetime

from rollout.model.plain import iso


def stopping(first_bad: datetime | None, now: datetime) -> dict[str, object]:
    """For the evidence of a verdict `fail`: `bad_since`, and `seen_to_stop_s`, the seconds from then to the decision.

    Nothing where nobody knows when the first bad sample was.
    """
    if first_bad is None:
        return {}
    return {"bad_since": iso(first_bad), "seen_to_stop_s": round((now - first_bad).total_seconds(), 3)}
