"""What gates read and ask. The edge fulfils the first two structurally; neither imports the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.model.fleet import RuntimeName
from rollout.model.policy import PerformanceGate
from rollout.model.sample import Sample
from rollout.model.verdict import Outcome
from rollout.perf.blocks import Block, Timed


class Samples(Protocol):
    """The edge as an instrument. OSError or BrokenError when it cannot be read: the verdict is then `error`."""

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """What the edge saw since then, per runtime; a runtime without requests is there with zeros."""


class Stream(Protocol):
    """Requests one by one. OSError or BrokenError as above."""

    def first(self, service: str, since: datetime) -> Sequence[Timed]:
        """The first requests since then that were answered well, of both sides, in the order in which they ended.

        The same question has the same answer for ever, but for what comes behind it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison says. `slowdown`: by which share v2 was slower (0.4: 40 %), between `low` and `high` (95 %).

    `chance`: how often a v2 that is just as slow as it may be looks at least as slow as this one. `requests`: of each side.
    """

    outcome: Outcome
    slowdown: float
    low: float
    high: float
    chance: float
    requests: int


class Comparison(Protocol):
    """The statistics behind the performance gate: one look at a stated number now; others may answer earlier or later."""

    rule: str

    def compare(self, blocks: Sequence[Block], rules: PerformanceGate) -> Compared | None:
        """What these blocks say, in the order of time; None as long as more are wanted."""
