"""Cutting the services of one tier into waves.

Every wave takes from the customer that needs the most further waves, so that the limits leave no tail of tiny waves that
another order would have avoided. Ties are broken by name: the same input gives the same waves.

"Together" is stronger than the other limits: an environment is never cut. It goes over the limit per customer only where it
is the customer's first in its wave, and over the size only where it is alone in its wave.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from rollout.model.plan import Candidate
from rollout.model.policy import Grouping, Policy, TierPolicy
from rollout.planner.queue import BY_CUSTOMER, Bundle, Queue, queues
from rollout.planner.singles import Singles

MISSES = 1000
"""How many customers in a row may have nothing that fits, before a wave is taken for full."""


def cut(services: Iterable[Candidate], tier: TierPolicy, policy: Policy, *, total: int) -> list[list[Candidate]]:
    """The waves of these services, the first one small. `total`: what the tier's percentages are percentages of.

    Within a wave services stand by customer, then by id.
    """
    line = _line(services, policy)
    waves: list[list[Candidate]] = []
    size = max(1, tier.first.of(total))
    while line.waits():
        waves.append(line.wave(size) or line.wave(line.smallest()))
        size = max(1, tier.size.of(total))
    return waves


def boarding(services: Sequence[Candidate], policy: Policy) -> tuple[list[Candidate], list[Candidate]]:
    """Those whose owner asked for v2, and the others. Where environments stay together, the neighbours board too."""
    asked = {c.id for c in services if c.asked_for_v2}
    if not asked:
        return [], list(services)
    if policy.environments is Grouping.TOGETHER:
        places = {c.environment for c in services if c.asked_for_v2}
        asked |= {c.id for c in services if c.environment in places}
    return [c for c in services if c.id in asked], [c for c in services if c.id not in asked]


class _Line(Protocol):
    """The services of a tier that have no wave yet."""

    def waits(self) -> bool:
        """Some service has no wave yet."""

    def wave(self, size: int, /) -> list[Candidate]:
        """The next wave of at most `size` services, by customer, then by id; empty where every bundle is larger."""

    def smallest(self) -> int:
        """Size of the smallest bundle that waits."""


def _line(services: Iterable[Candidate], policy: Policy) -> _Line:
    limit = policy.per_customer_in_wave
    if policy.environments is Grouping.ANY:
        return Singles(services, limit)
    return _Bundles(queues(services, policy.environments), limit)


class _Bundles:
    """The customers in the order of their need. An entry of the heap that is not the customer's current one is void."""

    def __init__(self, waiting: Iterable[tuple[str, Queue]], limit: int | None) -> None:
        self._limit = limit
        self._waiting = dict(waiting)
        self._current: dict[str, tuple[int, int, str]] = {}
        self._heap: list[tuple[int, int, str]] = []
        for customer in self._waiting:
            self._push(customer)

    def waits(self) -> bool:
        """Some service has no wave yet."""
        return bool(self._waiting)

    def smallest(self) -> int:
        """Size of the smallest bundle that waits."""
        return min(queue.smallest() for queue in self._waiting.values())

    def wave(self, size: int) -> list[Candidate]:
        """The next wave of at most `size` services, by customer, then by id; empty where every bundle is larger."""
        wave: list[Candidate] = []
        taken: Counter[str] = Counter()
        touched: set[str] = set()
        misses = 0

        def fits(bundle: Bundle) -> bool:
            return self._fits(bundle, taken)

        while len(wave) < size and misses < MISSES and (customer := self._pop()):
            touched.add(customer)
            queue = self._waiting[customer]
            got = queue.take(self._room(size - len(wave), taken[customer]), fits)
            wave.extend(got)
            for candidate in got:
                taken[candidate.customer] += 1
            misses = 0 if got else misses + 1
            if got and queue.left and queue.depth() and (self._limit is None or taken[customer] < self._limit):
                self._push(customer)
        self._end(touched)
        return sorted(wave, key=BY_CUSTOMER)

    def _end(self, touched: Iterable[str]) -> None:
        for customer in touched:
            self._waiting[customer].next_wave()
            if self._waiting[customer].left:
                self._push(customer)
            else:
                del self._waiting[customer]

    def _room(self, room: int, taken: int) -> int:
        return room if self._limit is None or taken == 0 else min(room, self._limit - taken)

    def _fits(self, bundle: Bundle, taken: Counter[str]) -> bool:
        if self._limit is None:
            return True
        if len(bundle) == 1:
            return not (n := taken[bundle[0].customer]) or n < self._limit
        counts = Counter(c.customer for c in bundle)
        return all(not taken[customer] or taken[customer] + n <= self._limit for customer, n in counts.items())

    def _push(self, customer: str) -> None:
        queue = self._waiting[customer]
        waves = -(-queue.left // self._limit) if self._limit else 1
        entry = (-max(waves, queue.depth()), -queue.left, customer)
        if self._current.get(customer) != entry:
            self._current[customer] = entry
            heapq.heappush(self._heap, entry)

    def _pop(self) -> str | None:
        while self._heap:
            entry = heapq.heappop(self._heap)
            if self._current.get(entry[2]) == entry:
                del self._current[entry[2]]
                return entry[2]
        return None
