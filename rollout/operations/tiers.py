"""What keeps a tier from being done."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from rollout.model.fleet import Tier
from rollout.model.plan import Candidate, Reason
from rollout.model.policy import Policy
from rollout.operations.order import TierLeft
from rollout.planner.eligibility import exclusion


def left(candidates: Iterable[Candidate], policy: Policy, seated: Collection[str]) -> Mapping[Tier, TierLeft]:
    """By tier: who could be planned and has no seat in a wave that can still begin, and who stays blocked."""
    eligible: defaultdict[Tier, list[str]] = defaultdict(list)
    blocked: defaultdict[Tier, list[str]] = defaultdict(list)
    for candidate in candidates:
        found = exclusion(candidate, policy)
        if found is None and candidate.id not in seated:
            eligible[candidate.tier].append(candidate.id)
        elif found is not None and found.reason is Reason.BLOCKED:
            blocked[candidate.tier].append(candidate.id)
    return {tier: TierLeft(eligible=eligible[tier], blocked=blocked[tier]) for tier in Tier}
