"""Making a plan: fleet + policy + time in, waves out. The same input gives the same bytes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.plain import sha256
from rollout.model.plan import Candidate, Exclusion, Plan, PlannedMove, Precondition, Strategy, Wave
from rollout.model.policy import Policy
from rollout.planner.eligibility import ALL, Question, exclusion
from rollout.planner.expected import downtime, duration, strategy
from rollout.planner.seal import sealed
from rollout.planner.waves import boarding, cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and on which fleet a plan is made, and the number of its first wave."""

    now: datetime
    fleet_revision: int
    first_wave: int = 1


def build(candidates: Iterable[Candidate], policy: Policy, moment: Moment, question: Question = ALL) -> Plan:
    """The sealed plan. Waves stand in the order of the policy's tiers.

    Services whose owner asked for v2 ("priority boarding") have waves of their own, cut by the rules of their tier: at the
    head of the plan where the policy lets them go ahead, else at the head of their tier.
    """
    waves, excluded = _waves(candidates, policy, question, first=moment.first_wave)
    return sealed(
        Plan(
            created=moment.now,
            expires=moment.now + timedelta(days=policy.expires_days),
            fleet_revision=moment.fleet_revision,
            policy=policy,
            policy_hash=sha256(policy),
            tiers=_tiers(policy, question),
            waves=waves,
            excluded=tuple(excluded),
            facts={"asked_services": ",".join(sorted(question.services))} if question.services else {},
        )
    )


def _waves(
    candidates: Iterable[Candidate], policy: Policy, question: Question, *, first: int
) -> tuple[tuple[Wave, ...], list[Exclusion]]:
    """On return the fleet is forgotten: sealing takes as much room again."""
    eligible, excluded = _sorted_out(candidates, policy, question)
    groups = _groups(eligible, policy, _tiers(policy, question))
    ways = _Ways(policy)
    return tuple(_wave(group, first + index, ways) for index, group in enumerate(groups)), excluded


def _tiers(policy: Policy, question: Question) -> tuple[Tier, ...]:
    return tuple(entry.tier for entry in policy.tiers if not question.tiers or entry.tier in question.tiers)


@dataclass(frozen=True, slots=True)
class _Group:
    """A wave before it has a number."""

    tier: Tier
    services: Sequence[Candidate]
    asked: bool
    ahead: bool
    place: str


def _sorted_out(
    candidates: Iterable[Candidate], policy: Policy, question: Question
) -> tuple[dict[Tier, list[Candidate]], list[Exclusion]]:
    eligible: dict[Tier, list[Candidate]] = {}
    excluded = []
    for candidate in sorted(candidates, key=attrgetter("id")):
        why_not = exclusion(candidate, policy, question)
        if why_not is None:
            eligible.setdefault(candidate.tier, []).append(candidate)
        else:
            excluded.append(why_not)
    return eligible, excluded


def _groups(eligible: dict[Tier, list[Candidate]], policy: Policy, tiers: Sequence[Tier]) -> list[_Group]:
    ahead: list[_Group] = []
    usual: list[_Group] = []
    for tier in tiers:
        services = eligible.get(tier, [])
        asked, others = boarding(services, policy)
        (ahead if policy.priority_boarding else usual).extend(_cut(tier, asked, policy, total=len(services), asked=True))
        usual.extend(_cut(tier, others, policy, total=len(services), asked=False))
    return [*ahead, *usual]


def _cut(tier: Tier, services: Sequence[Candidate], policy: Policy, *, total: int, asked: bool) -> Iterator[_Group]:
    waves = cut(services, policy.tier(tier), policy, total=total)
    for index, wave in enumerate(waves, 1):
        place = f"wave {index} of {len(waves)} of {tier}"
        yield _Group(tier, wave, asked, asked and policy.priority_boarding, place)


class _Way(NamedTuple):
    """How a service is moved. Times in seconds; `hindrance`: what `why` says of a copy that must stop first."""

    how: Strategy
    expected_s: float
    downtime_s: float
    hindrance: str


class _Ways:
    """How services are moved: worked out once for all that are alike in what it depends on."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._known: dict[tuple[Kind, bool, bool, bool, float, float], _Way] = {}

    def of(self, candidate: Candidate) -> _Way:
        """How this one is moved."""
        one = candidate
        alike = one.kind, one.apart, one.has_volume, one.fixed_port, one.draining_s, one.health_timeout_s
        return self._known.get(alike) or self._known.setdefault(alike, self._found(candidate))

    def _found(self, candidate: Candidate) -> _Way:
        how, hindrance = strategy(candidate, self._policy)
        told = f"; recreate: {hindrance}" if how is Strategy.RECREATE else ""
        return _Way(how, duration(candidate, self._policy, how), downtime(candidate, self._policy, how), told)


def _wave(group: _Group, number: int, ways: _Ways) -> Wave:
    moves = tuple([_move(candidate, group, ways.of(candidate)) for candidate in group.services])
    return Wave(number=number, tier=group.tier, moves=moves, boarding=group.ahead)


def _move(candidate: Candidate, group: _Group, way: _Way) -> PlannedMove:
    """Members stand in their order without their names: with names, making a million of them takes twice as long."""
    why = _why(candidate, group) if group.asked else group.place
    return PlannedMove(
        candidate.id,
        candidate.customer,
        candidate.environment,
        candidate.kind,
        way.how,
        way.expected_s,
        way.downtime_s,
        Precondition(candidate.settings_hash, candidate.tier, RuntimeName.LEGACY, False, candidate.release, candidate.image),
        why + way.hindrance if way.hindrance else why,
    )


def _why(candidate: Candidate, group: _Group) -> str:
    lead = "ahead of its tier" if group.ahead else "first of its tier"
    asked = "its owner asked for v2" if candidate.asked_for_v2 else f"with its environment {candidate.environment}, asked for v2"
    return f"{lead}: {asked}; {group.place} that asked"
