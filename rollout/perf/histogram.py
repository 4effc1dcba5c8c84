"""Latencies in logarithmic buckets, as DDSketch does it (Masson and others, 2019): every quantile is right within 1 %.

Bucket `i` holds what is above `GAMMA ** (i - 1)` and at most `GAMMA ** i` milliseconds. Two histograms are added up by adding
their counts, and nothing is lost by it. A library was weighed (ddsketch, hdrhistogram): neither has a frozen, plain JSON form,
and what is left of the method without that is this page.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil, log

from rollout.model.snapshot import Histogram

ERROR = 0.01
"""No quantile is further from the true one than this share of it."""
GAMMA = (1 + ERROR) / (1 - ERROR)
SMALLEST_MS = 0.001
"""The clock of the edge counts microseconds: less than one counts as one."""
_LOG_GAMMA = log(GAMMA)


class Tally:
    """Counts latencies as they come; `histogram` tells what was counted until now."""

    __slots__ = ("_counts", "_highest", "_lowest", "_total")

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._total = 0.0
        self._lowest = float("inf")
        self._highest = 0.0

    def add(self, milliseconds: float) -> None:
        """One more request."""
        value = max(milliseconds, SMALLEST_MS)
        self._counts[bucket(value)] += 1
        self._total += value
        self._lowest = min(self._lowest, value)
        self._highest = max(self._highest, value)

    def histogram(self) -> Histogram:
        """All that was counted."""
        if not self._counts:
            return Histogram()
        buckets = tuple(sorted(self._counts.items()))
        return Histogram(buckets=buckets, total=self._total, lowest=self._lowest, highest=self._highest)


def of(milliseconds: Iterable[float]) -> Histogram:
    """The histogram of these latencies."""
    tally = Tally()
    for value in milliseconds:
        tally.add(value)
    return tally.histogram()


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """All of them as one."""
    filled = [histogram for histogram in histograms if histogram.buckets]
    if not filled:
        return Histogram()
    counts: Counter[int] = Counter()
    for histogram in filled:
        counts.update(dict(histogram.buckets))
    return Histogram(
        buckets=tuple(sorted(counts.items())),
        total=sum(histogram.total for histogram in filled),
        lowest=min(histogram.lowest for histogram in filled),
        highest=max(histogram.highest for histogram in filled),
    )


def quantile(histogram: Histogram, q: float) -> float | None:
    """The latency (ms) that the share `q` of all requests did not exceed, within ERROR; None without requests."""
    if not histogram.buckets:
        return None
    return nth(histogram, int(q * (histogram.n - 1)))


def nth(histogram: Histogram, rank: int) -> float:
    """The latency with so many smaller ones before it, within ERROR; the highest where there are not as many."""
    seen = 0
    for number, count in histogram.buckets:
        seen += count
        if seen > rank:
            return min(max(middle(number), histogram.lowest), histogram.highest)
    return histogram.highest


def above(histogram: Histogram, milliseconds: float) -> int:
    """How many requests surely took longer: those in the bucket of that value are not counted."""
    limit = bucket(max(milliseconds, SMALLEST_MS))
    return sum(count for number, count in histogram.buckets if number > limit)


def axis(histograms: Sequence[Histogram], columns: int) -> list[float]:
    """`columns + 1` latencies that part what all of them hold into columns of the same ratio (ms). One at least has requests."""
    filled = [histogram for histogram in histograms if histogram.buckets]
    low = min(quantile(histogram, 0.0) or SMALLEST_MS for histogram in filled)
    high = max(quantile(histogram, 0.99) or SMALLEST_MS for histogram in filled)
    ratio = max(high / low, GAMMA**columns) ** (1 / columns)
    return [low * ratio**column for column in range(columns + 1)]


def spread(histogram: Histogram, edges: Sequence[float]) -> list[int]:
    """How many requests lie in each column between two edges; what lies outside is in the first or the last."""
    counts = [0] * (len(edges) - 1)
    for number, count in histogram.buckets:
        column = bisect_right(edges, middle(number)) - 1
        counts[min(max(column, 0), len(counts) - 1)] += count
    return counts


def bucket(milliseconds: float) -> int:
    """The bucket of a latency."""
    return ceil(log(milliseconds) / _LOG_GAMMA - 1e-9)


def middle(number: int) -> float:
    """The latency that stands for all in the bucket."""
    return float(2 * GAMMA**number / (GAMMA + 1))
