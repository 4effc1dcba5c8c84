"""Clients that hung up before they were answered: whose fault it was, by how long they had waited. Pure."""

from dataclasses import replace

from rollout.model.sample import Sample
from rollout.model.snapshot import NO_REQUESTS
from rollout.perf.histogram import above, quantile

SLOWEST = 0.99
"""Legacy answered this share of its requests sooner than the limit."""
LEAST_S = 0.05
"""Nobody is expected to answer sooner."""
UNKNOWN_S = 1.0
"""The limit where legacy has answered nothing at that time, nor in the hour before."""


def limit_ms(legacy: Sample, least_s: float = LEAST_S) -> float:
    """So long a client has to wait before its leaving is held against the copy (ms): legacy's 99 % quantile."""
    slowest = quantile(legacy.latencies, SLOWEST)
    return 1000 * UNKNOWN_S if slowest is None else max(slowest, 1000 * least_s)


def late(sample: Sample, limit: float) -> int:
    """How many clients left after having waited longer than that."""
    return above(sample.left, limit)


def judged(sample: Sample, limit: float) -> Sample:
    """Clients that left later than the limit are errors; those that left sooner have asked nothing that could be judged."""
    if not sample.left.n:
        return sample
    failures = late(sample, limit)
    began = [at for at in (sample.first_bad, sample.first_left if failures else None) if at is not None]
    return replace(
        sample,
        requests=sample.requests - sample.left.n + failures,
        errors=sample.errors + failures,
        left=NO_REQUESTS,
        first_bad=min(began, default=None),
    )


def numbers(v2: Sample, legacy: Sample, limit: float) -> dict[str, object]:
    """For the evidence."""
    return {
        "rule": "a client that left before an answer counts as a failure if it waited longer than legacy's 99 % quantile",
        "limit_ms": round(limit, 3),
        "v2": v2.left.n,
        "v2_counted": late(v2, limit),
        "legacy": legacy.left.n,
        "legacy_counted": late(legacy, limit),
    }
