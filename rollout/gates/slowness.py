"""Is v2 much slower than legacy at the same time? A rule that may be asked again and again."""

from dataclasses import dataclass
from math import ceil, log

from rollout.gates.chance import at_least
from rollout.model.policy import TrafficGate
from rollout.model.snapshot import Histogram
from rollout.perf.histogram import above, nth, quantile

DECISIVE = 5e-5
"""Each of the two steps of the rule is wrong by chance so rarely; together 1 in 10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """What the latencies say, in milliseconds. `slower` of v2's `of` requests took longer than `limit_ms`; by `chance` alone
    as many do in that share of cases, if v2 is as slow as it may be."""

    v2_ms: float
    legacy_ms: float
    limit_ms: float
    slower: int
    of: int
    chance: float

    @property
    def failed(self) -> bool:
        """Chance does not do that."""
        return self.chance < DECISIVE


def slowness(v2: Histogram, legacy: Histogram, rules: TrafficGate) -> Slowness | None:
    """The rule; None where either has too few requests to say anything.

    Legacy's own quantile is known only roughly: `limit_ms` stands on its upper confidence bound. By the definition of the
    quantile, of as slow a v2 as is allowed a share of `1 - quantile` is above the limit; how likely more are is binomial.
    """
    rank = _upper_rank(legacy.n, rules.quantile)
    v2_ms, legacy_ms = quantile(v2, rules.quantile), quantile(legacy, rules.quantile)
    if rank is None or v2_ms is None or legacy_ms is None:
        return None
    bound = nth(legacy, rank)
    limit = max(bound * (1 + rules.max_slowdown), bound + 1000 * rules.tolerance_s)
    slower = above(v2, limit)
    chance = at_least(slower, v2.n, 1 - rules.quantile)
    return Slowness(v2_ms=v2_ms, legacy_ms=legacy_ms, limit_ms=limit, slower=slower, of=v2.n, chance=chance)


def least(q: float) -> int:
    """The fewest requests of legacy that bound its quantile: with fewer, all of them may well lie below it."""
    return ceil(log(DECISIVE) / log(q))


def _upper_rank(n: int, q: float) -> int | None:
    """The smallest rank that the true quantile hardly exceeds (P < DECISIVE); None where all `n` are not enough."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if at_least(middle + 1, n, q) < DECISIVE:
            high = middle
        else:
            low = middle + 1
    return low if low < n else None
