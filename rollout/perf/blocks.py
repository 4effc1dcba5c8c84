"""Requests of both sides that were answered at the same time, in blocks: what comparisons stand on.

Requests that follow one another are alike: a busy moment of the machine, a pause of the program, a cold cache last for many
of them. So single requests are no independent evidence. A block holds as many requests of v2 as of legacy, answered in the
same short time: what burdens both is in both, and what lasts shorter than a block counts once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from rollout.model.fleet import RuntimeName

TAIL = 5
"""So many requests of a block, at least, are above the quantile that is compared."""
FEWEST = 10
"""Fewer blocks than this are not compared."""


class Timed(NamedTuple):
    """Who answered, after how many milliseconds, and when (seconds since any start)."""

    side: RuntimeName
    milliseconds: float
    ended: float


@dataclass(frozen=True, slots=True)
class Block:
    """The same number of requests of either side, answered at the same time (ms)."""

    legacy: tuple[float, ...]
    v2: tuple[float, ...]


def size(q: float) -> int:
    """How many requests of each side a block needs for this quantile."""
    return ceil(TAIL / (1 - q) - 1e-9)


def least(q: float) -> int:
    """The fewest requests of each side that can be compared."""
    return size(q) * FEWEST


def after_warm_up(requests: Iterable[Timed], warm_up: int) -> Iterable[Timed]:
    """The requests behind v2's first so many: a copy that just began is slower, and legacy is not looked at meanwhile."""
    left = warm_up
    for request in requests:
        if left <= 0:
            yield request
        elif request.side is RuntimeName.V2:
            left -= 1


def blocks(requests: Iterable[Timed], each: int, seconds: float = 0.0) -> list[Block]:
    """Whole blocks, in the order of time.

    One ends when both sides have `each` and it has lasted `seconds`; of more requests evenly spaced ones stay, so that a busy
    service is looked at for as long as a quiet one.
    """
    found: list[Block] = []
    now: dict[RuntimeName, list[float]] = {side: [] for side in RuntimeName}
    began: float | None = None
    for side, milliseconds, ended in requests:
        began = ended if began is None else began
        now[side].append(milliseconds)
        if min(map(len, now.values())) >= each and ended - began >= seconds:
            found.append(Block(_thinned(now[RuntimeName.LEGACY], each), _thinned(now[RuntimeName.V2], each)))
            now, began = {side: [] for side in RuntimeName}, ended
    return found


def order_statistic(values: Sequence[float], q: float) -> float:
    """The quantile of a block, between two of its values where it lies between them."""
    ranked = sorted(values)
    place = q * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def _thinned(values: Sequence[float], each: int) -> tuple[float, ...]:
    return tuple(values[i * len(values) // each] for i in range(each))
