"""A plan: an immutable, hashed, ordered list of waves.

What there is a million of is a named tuple: as immutable as a frozen dataclass, and made many times as fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from rollout.model.fleet import Kind, RuntimeName, Setting, Tier
from rollout.model.policy import Policy

FORMAT_VERSION = 1


class Strategy(StrEnum):
    """`overlap`: both copies serve for a while. `recreate`: one closed gap."""

    OVERLAP = "overlap"
    RECREATE = "recreate"


class Reason(StrEnum):
    """Why a service is not in the plan ("why not" is data)."""

    NOT_RUNNING = "not_running"
    PINNED = "pinned"
    BLOCKED = "blocked"
    NO_COMMAND = "no_command"
    CRON = "cron"
    ON_V2 = "on_v2"
    MOVING = "moving"
    OTHER_TIER = "other_tier"
    NOT_ASKED = "not_asked"
    TIER_UNKNOWN = "tier_unknown"
    NO_ENGINE = "no_engine"


class Candidate(NamedTuple):
    """What the planner knows of a service. `settings_hash` is keyed (HMAC): it tells changes, never values.

    `pinned`, `blocked`, `moving` and `no_engine` are None, or the facts in words. `has_command`: a command or an image.
    `fixed_port`: a port of its own that two copies on one host would fight for. `apart`: its copies have networks of their own,
    and are in the private network, which leads TCP connections to the one or the other.
    """

    id: str
    customer: str
    environment: str
    tier: Tier
    kind: Kind
    setting: Setting
    settings_hash: str
    release: int | None = None
    runs_on: tuple[RuntimeName, ...] = ()
    has_command: bool = True
    fixed_port: bool = False
    has_volume: bool = False
    draining_s: float = 10.0
    health_timeout_s: float = 30.0
    pinned: str | None = None
    blocked: str | None = None
    moving: str | None = None
    no_engine: str | None = None
    asked_for_v2: bool = False
    image: str = ""
    apart: bool = False


class Precondition(NamedTuple):
    """What must still hold when a move begins; otherwise the row is stale and waits for the next plan.

    `image`: what the release runs, as NAME@DIGEST: tags may move, this does not. Empty for a command.
    """

    settings_hash: str
    tier: Tier
    runtime: RuntimeName
    pinned: bool
    release: int | None
    image: str = ""


class PlannedMove(NamedTuple):
    """One service going legacy → v2 inside a wave. Times in seconds."""

    service: str
    customer: str
    environment: str
    kind: Kind
    strategy: Strategy
    expected_s: float
    downtime_s: float
    precondition: Precondition
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A set of moves of one tier. `number` is given once and never reused; the name is `wave-N`.

    `boarding`: their owners asked for v2, and the policy lets them go ahead of their tier: it waits for no other tier.
    `text`: its canonical JSON where `planner.seal` has made it, so that it is made once; no part of the value.
    """

    number: int
    tier: Tier
    moves: tuple[PlannedMove, ...]
    boarding: bool = False
    text: str = field(default="", init=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """`wave-N`; a wave of back moves has a negative number and is `back-N`."""
        return f"wave-{self.number}" if self.number >= 0 else f"back-{-self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a wave goes by its plan and policy. Times in seconds; `longest_s`: of its moves on average, until they are warm.

    `watched`: traffic steps that are watched before full weight. `at_once`: how many moves may fly. `approvals`: how many it
    needs.
    """

    at_once: int
    watched: int
    step_s: float
    bake_s: float
    longest_s: float
    approvals: int = 0


def pace(wave: Wave, policy: Policy) -> Pace:
    """What the plan says of the wave's speed."""
    return Pace(
        at_once=policy.concurrency.total,
        watched=len(policy.steps) - 1,
        step_s=policy.step_s,
        bake_s=policy.bake_s,
        longest_s=sum([move.expected_s for move in wave.moves]) / max(1, len(wave.moves)),
        approvals=next((tier.approvals for tier in policy.tiers if tier.tier is wave.tier), 0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A service that is not in the plan, with the reason and the facts behind it."""

    service: str
    tier: Tier
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done, and with which policy. `sha256` covers the canonical JSON of everything but the three seals.

    The seals are itself, `id` and `content`, the hash of what the plan would do: its moves with their preconditions, cut into
    waves, under its policy. Neither time nor numbers of waves are in it: two plans with the same content do the same.
    """

    created: datetime
    expires: datetime
    fleet_revision: int
    policy: Policy
    policy_hash: str
    tiers: tuple[Tier, ...]
    waves: tuple[Wave, ...]
    excluded: tuple[Exclusion, ...]
    format_version: int = FORMAT_VERSION
    facts: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    sha256: str = ""
    content: str = ""
