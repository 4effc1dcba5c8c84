"""Cutting a tier whose environments do not matter: every service stands by itself. A million of them is cut in seconds.

The customer that needs the most further waves is the one with the most services left, so the heap orders customers by that.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate
from operator import attrgetter

from rollout.model.plan import Candidate

BY_ID = attrgetter("id")
CUSTOMER = attrgetter("customer")


class Singles:
    """The customers in the order of their need, ties by name.

    An entry of the heap is one number, `place - left * customers`: `place` is the customer's place by name, `left` counts its
    services that wait. So more left comes first, then the name; one service less is `+ customers`, and none left is not
    below 0.
    """

    def __init__(self, services: Iterable[Candidate], limit: int | None) -> None:
        self._ordered = sorted(sorted(services, key=BY_ID), key=CUSTOMER)
        self._limit = limit
        counts = list(Counter(map(CUSTOMER, self._ordered)).values())
        self._customers = len(counts)
        self._next = [end - count for count, end in zip(counts, accumulate(counts), strict=True)]
        self._heap = [place - left * self._customers for place, left in enumerate(counts)]
        heapq.heapify(self._heap)

    def waits(self) -> bool:
        """Some service has no wave yet."""
        return bool(self._heap)

    def wave(self, size: int) -> list[Candidate]:
        """The next wave of at most `size` services, by customer, then by id."""
        heap, following, customers = self._heap, self._next, self._customers
        limit = len(self._ordered) if self._limit is None else self._limit
        taken: dict[int, int] = {}
        wave: list[int] = []
        full: list[int] = []
        while heap and len(wave) < size:
            entry = heap[0]
            place = entry % customers
            wave.append(following[place])
            following[place] += 1
            taken[place] = so_far = taken.get(place, 0) + 1
            if (after := entry + customers) >= 0:
                heapq.heappop(heap)
            elif so_far < limit:
                heapq.heapreplace(heap, after)
            else:
                full.append(after)
                heapq.heappop(heap)
        for entry in full:
            heapq.heappush(heap, entry)
        return [self._ordered[index] for index in sorted(wave)]

    def smallest(self) -> int:
        """Always one."""
        return 1
