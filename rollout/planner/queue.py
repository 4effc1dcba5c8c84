"""Services that wait for a wave, handed out in bundles that must not be cut, where environments matter.

There is one queue for each customer; the services of an environment stand in one queue even if several customers share it.
"""

import heapq
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from rollout.model.plan import Candidate
from rollout.model.policy import Grouping

BY_CUSTOMER = attrgetter("customer", "id")
Bundle = Sequence[Candidate]
Fits = Callable[[Bundle], bool]


class Queue(Protocol):
    """What is left of a customer. `left` counts services."""

    left: int

    def take(self, room: int, fits: Fits, /) -> Bundle:
        """The next bundle of at most `room` services that fits into the wave; empty where there is none."""

    def depth(self) -> int:
        """How many waves the fullest environment that may be taken from needs; 0 where none may be in this wave."""

    def smallest(self) -> int:
        """Size of the smallest bundle left."""

    def next_wave(self) -> None:
        """What was held back for the sake of the wave may be taken again."""


class ApartQueue:
    """Every service by itself, no two of one environment in a wave; the fullest environment first."""

    def __init__(self, services: Iterable[Candidate]) -> None:
        self._waiting = {name: deque(group) for name, group in _environments(services).items()}
        self._heap = [(-len(group), name) for name, group in self._waiting.items()]
        self._held: list[tuple[int, str]] = []
        self.left = sum(len(group) for group in self._waiting.values())
        heapq.heapify(self._heap)

    def take(self, room: int, fits: Fits) -> Bundle:
        """A service of the fullest environment that is not in the wave yet."""
        while self._heap and room >= 1:
            count, name = heapq.heappop(self._heap)
            group = self._waiting[name]
            if not fits((group[0],)):
                self._held.append((count, name))
                continue
            if len(group) > 1:
                self._held.append((count + 1, name))
            self.left -= 1
            return (group.popleft(),)
        return ()

    def depth(self) -> int:
        """As many as the fullest environment has services."""
        return -self._heap[0][0] if self._heap else 0

    def smallest(self) -> int:
        """Always one."""
        return 1

    def next_wave(self) -> None:
        """All environments may be taken from again."""
        for entry in self._held:
            heapq.heappush(self._heap, entry)
        self._held.clear()


class TogetherQueue:
    """Environments, each in one piece; the largest that fits first."""

    def __init__(self, services: Iterable[Candidate]) -> None:
        self._waiting = sorted(_environments(services).values(), key=len)
        self.left = sum(len(group) for group in self._waiting)

    def take(self, room: int, fits: Fits) -> Bundle:
        """The largest environment of at most `room` services that fits."""
        for index in range(bisect_left(self._waiting, room + 1, key=len) - 1, -1, -1):
            if fits(self._waiting[index]):
                chosen = self._waiting.pop(index)
                self.left -= len(chosen)
                return chosen
        return ()

    def depth(self) -> int:
        """Environments ask for nothing but to stay in one piece."""
        return 1

    def smallest(self) -> int:
        """Size of the smallest environment left."""
        return len(self._waiting[0])

    def next_wave(self) -> None:
        """Nothing is ever held back."""


QUEUES: Mapping[Grouping, Callable[[Iterable[Candidate]], Queue]] = {
    Grouping.APART: ApartQueue,
    Grouping.TOGETHER: TogetherQueue,
}


def queues(services: Iterable[Candidate], grouping: Grouping) -> list[tuple[str, Queue]]:
    """The queues with the customer of each: of an environment that several share, the first by name."""
    ordered = sorted(services, key=BY_CUSTOMER)
    keeper: dict[str, str] = {}
    kept: defaultdict[str, list[Candidate]] = defaultdict(list)
    for candidate in ordered:
        kept[keeper.setdefault(candidate.environment, candidate.customer)].append(candidate)
    return [(customer, QUEUES[grouping](group)) for customer, group in kept.items()]


def _environments(services: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    ordered = sorted(services, key=lambda c: (c.environment, c.id))
    return {name: list(group) for name, group in groupby(ordered, key=lambda c: c.environment)}
