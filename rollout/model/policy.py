"""What a person decides before a rollout: tiers, wave sizes, gates, budgets, deadline. All times in seconds."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from rollout.model.fleet import Tier


class Grouping(StrEnum):
    """Services of one environment in a wave: all in one, never two, or as it comes."""

    TOGETHER = "together"
    APART = "apart"
    ANY = "any"


class Inconclusive(StrEnum):
    """What happens when a gate could not tell within its limit."""

    HOLD = "hold"
    PROBE = "probe"
    ACCEPT = "accept"


class Overrun(StrEnum):
    """What a move above 0 % does when its window ends: back to 0 %, or hold its weight."""

    BACK = "back"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number of services, or a share of them in percent. Exactly one is set."""

    count: int | None = None
    percent: float | None = None

    def of(self, total: int) -> int:
        """How many of `total` that is; a share of something is at least one."""
        if self.count is not None:
            return self.count
        share = int(total * (self.percent or 0.0) / 100)
        return max(1, share) if self.percent else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TierPolicy:
    """How one tier is moved. `budget`: how many of a wave's moves may fail before it stops."""

    tier: Tier
    first: Amount = Amount(count=1)
    size: Amount = Amount(count=50)
    budget: Amount = Amount(percent=20)
    inconclusive: Inconclusive = Inconclusive.HOLD
    approvals: int = 0
    max_blocked: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many moves may be between `publishing` and `warm` at once; None is no limit."""

    total: int = 10
    per_customer: int | None = None
    per_environment: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthGate:
    """`passes` of the last `looks` looks must be good, over at least `over_s` seconds; one look each `every_s`."""

    passes: int = 3
    looks: int = 3
    over_s: float = 1.0
    every_s: float = 0.5
    status_max: int = 399
    body_contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficGate:
    """v2's error rate at the edge may exceed legacy's by `max_increase` (0..1); looked at once `min_requests` are there.

    While both serve, `quantile` of v2's latencies may exceed legacy's by the share `max_slowdown`, or by `tolerance_s`,
    whichever is more.
    """

    min_requests: int = 20
    max_increase: float = 0.02
    max_slowdown: float = 1.0
    tolerance_s: float = 0.005
    quantile: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceGate:
    """v2's `quantile` may exceed legacy's at the same time by `max_slowdown`, or by `tolerance_s`, whichever is more.

    Looked at once, at `min_requests` of either side over `over_s` seconds, behind v2's first `warm_up`. `alpha`: how often,
    at most, a v2 that is just as slow as it may be is taken for slower.
    """

    min_requests: int = 200
    max_slowdown: float = 0.2
    tolerance_s: float = 0.002
    quantile: float = 0.5
    alpha: float = 0.01
    warm_up: int = 20
    over_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """The longest a move may stand in a state, while nothing forbids its step."""

    publishing_s: float = 600.0
    launching_s: float = 120.0
    proving_s: float = 120.0
    step_s: float = 600.0
    draining_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy as the planner and the executor read it. `steps` are traffic weights in percent and end with 100.

    `before_s`: how long legacy alone is measured before a move's first request goes to v2.
    """

    name: str
    tiers: tuple[TierPolicy, ...]
    concurrency: Concurrency = field(default_factory=Concurrency)
    per_customer_in_wave: int | None = None
    environments: Grouping = Grouping.ANY
    steps: tuple[int, ...] = (1, 10, 50, 100)
    step_s: float = 30.0
    bake_s: float = 300.0
    keep_warm_s: float = 3600.0
    hold_limit_s: float = 14400.0
    health: HealthGate = field(default_factory=HealthGate)
    traffic: TrafficGate | None = field(default_factory=TrafficGate)
    performance: PerformanceGate | None = None
    before_s: float = 60.0
    deadlines: Deadlines = field(default_factory=Deadlines)
    overrun: Overrun = Overrun.BACK
    worker_overlap: bool = False
    priority_boarding: bool = True
    deadline: date | None = None
    v2_default_from: datetime | None = None
    pin_days: int = 90
    expires_days: int = 30

    def tier(self, tier: Tier) -> TierPolicy:
        """The rules of one tier; KeyError where the policy does not name it."""
        for entry in self.tiers:
            if entry.tier is tier:
                return entry
        raise KeyError(tier)
