"""Making a plan: fleet + policy + time in, waves out. The same input gives the same bytes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from rollout.model.fleet import RuntimeName, Tier
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
    eligible, excluded = _sorted_out(candidates, policy, question)
    tiers = tuple(entry.tier for entry in policy.tiers if not question.tiers or entry.tier in question.tiers)
    groups = _groups(eligible, policy, tiers)
    estimates = _Estimates(policy)
    waves = tuple(_wave(group, moment.first_wave + index, estimates) for index, group in enumerate(groups))
    return sealed(
        Plan(
            created=moment.now,
            expires=moment.now + timedelta(days=policy.expires_days),
            fleet_revision=moment.fleet_revision,
            policy=policy,
            policy_hash=sha256(policy),
            tiers=tiers,
            waves=waves,
            excluded=tuple(excluded),
            facts={"asked_services": ",".join(sorted(question.services))} if question.services else {},
        )
    )


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


class _Estimates:
    """How long moves take: worked out once for all services alike in what it depends on."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._known: dict[tuple[bool, float, float], tuple[float, float]] = {}

    def of(self, candidate: Candidate, how: Strategy) -> tuple[float, float]:
        """The expected time and the downtime, in seconds."""
        alike = (how is Strategy.RECREATE, candidate.draining_s, candidate.health_timeout_s)
        if alike not in self._known:
            self._known[alike] = duration(candidate, self.policy, how), downtime(candidate, self.policy, how)
        return self._known[alike]


def _wave(group: _Group, number: int, estimates: _Estimates) -> Wave:
    moves = tuple([_move(candidate, group, estimates) for candidate in group.services])
    return Wave(number=number, tier=group.tier, moves=moves, boarding=group.ahead)


def _move(candidate: Candidate, group: _Group, estimates: _Estimates) -> PlannedMove:
    how, hindrance = strategy(candidate, estimates.policy)
    expected_s, downtime_s = estimates.of(candidate, how)
    return PlannedMove(
        service=candidate.id,
        customer=candidate.customer,
        environment=candidate.environment,
        kind=candidate.kind,
        strategy=how,
        expected_s=expected_s,
        downtime_s=downtime_s,
        precondition=Precondition(
            settings_hash=candidate.settings_hash,
            tier=candidate.tier,
            runtime=RuntimeName.LEGACY,
            pinned=False,
            release=candidate.release,
        ),
        why=_why(candidate, group) + (f"; recreate: {hindrance}" if how is Strategy.RECREATE else ""),
    )


def _why(candidate: Candidate, group: _Group) -> str:
    if not group.asked:
        return group.place
    lead = "ahead of its tier" if group.ahead else "first of its tier"
    asked = "its owner asked for v2" if candidate.asked_for_v2 else f"with its environment {candidate.environment}, asked for v2"
    return f"{lead}: {asked}; {group.place} that asked"
