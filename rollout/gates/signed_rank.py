"""One look at a stated number of requests: is v2 slower than it may be, by a one-sided Wilcoxon signed-rank test."""

from collections.abc import Sequence
from math import log
from statistics import median

from rollout.gates.chance import at_least
from rollout.gates.ports import Compared
from rollout.model.policy import PerformanceGate
from rollout.model.verdict import Outcome
from rollout.perf.blocks import Block, order_statistic, size

SURE = 0.025
"""The slowdown lies below `low`, and above `high`, with this probability at most each."""


class SignedRank:
    """Fulfils Comparison.

    From each block the policy's quantile of either side; `allowed` is legacy's, slowed down as far as the policy lets it be.
    The test asks of the differences log(v2) - log(allowed) whether they lie above 0. Pairs share their time, so that what
    burdens both sides is no evidence against either; a block of ten counts once, so that neither is a short pause.

    - **fail**: the test's chance is below `alpha`. Where blocks are independent, that is so for at most the share `alpha` of
      moves whose v2 is exactly as slow as allowed, and for hardly one with the same program on both sides: it would have to
      look `max_slowdown` slower.
    - **pass**: the median of the differences is not above 0.
    - **inconclusive**: above 0, but chance may do that.

    **What is assumed**: that blocks are independent, but for what burdens both sides. A burden of v2 alone that lasts for many
    blocks breaks that: with one of 30 % that lasts for 50 requests (AR(1), 0.98), 5 to 8 of 200 moves with the same program on
    both sides were brought back at alpha 0.01 and 200 requests, 1 of 200 at 400 requests in blocks of 20; of moves just as slow
    as allowed 38 of 200. An effective number of blocks (Bayley and Hammersley, 1946) was tried: 3 of 200 and 8 of 200, but of
    moves that are 40 % slower it found 168 of 200 in place of 185, so it is left out.

    **What it sees** of moves that are 40 % slower where 20 % are allowed, in independent noise of 30 %: of 200, 107 at 100
    requests, 166 at 150, 185 to 196 at 200, 200 at 300; the others were inconclusive, none passed.
    """

    rule = "once, at min_requests of each side: v2's quantile <= legacy's at the same time + max_slowdown (or tolerance)"

    def compare(self, blocks: Sequence[Block], rules: PerformanceGate) -> Compared | None:
        """See Comparison. It looks at the first blocks that make up `min_requests`, whatever there is behind them."""
        each = size(rules.quantile)
        wanted = -(-rules.min_requests // each)
        if len(blocks) < wanted:
            return None
        pairs = [_quantiles(block, rules.quantile) for block in blocks[:wanted]]
        above = [log(v2) - log(allowed(legacy, rules)) for legacy, v2 in pairs]
        chance = _chance(above)
        ratios = sorted(v2 / legacy for legacy, v2 in pairs)
        low, high = _bounds(ratios)
        return Compared(
            outcome=_outcome(above, chance, rules.alpha),
            slowdown=median(ratios) - 1,
            low=low - 1,
            high=high - 1,
            chance=chance,
            requests=wanted * each,
        )


def allowed(legacy_ms: float, rules: PerformanceGate) -> float:
    """What v2 may take where legacy takes so long (ms)."""
    return max(legacy_ms * (1 + rules.max_slowdown), legacy_ms + 1000 * rules.tolerance_s)


def _outcome(above: Sequence[float], chance: float, alpha: float) -> Outcome:
    if chance < alpha:
        return Outcome.FAIL
    return Outcome.PASS if median(above) <= 0 else Outcome.INCONCLUSIVE


def _chance(above: Sequence[float]) -> float:
    # Takes more than a second to load, and few commands ever compare anything.
    from scipy.stats import wilcoxon  # noqa: PLC0415

    return float(wilcoxon(above, alternative="greater", zero_method="zsplit").pvalue)


def _bounds(ranked: Sequence[float]) -> tuple[float, float]:
    """Between which the true median lies, with 95 % confidence, by ranks alone."""
    n = len(ranked)
    outside = max((k for k in range(n // 2) if 1 - at_least(k + 1, n, 0.5) <= SURE), default=0)
    return ranked[outside], ranked[n - 1 - outside]


def _quantiles(block: Block, q: float) -> tuple[float, float]:
    return order_statistic(block.legacy, q), order_statistic(block.v2, q)
