"""What keeps a tier from being done."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from rollout.model.fleet import Tier
from rollout.model.plan import Candidate, Reason
from rollout.model.policy import Policy
from rollout.operations.order import TierLeft
from rollout.planner.eligibility import exclusion
from rollout.store import candidates
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.progress import Progress


def of_fleet(database: Database, policy: Policy, as_of: AsOf) -> Mapping[Tier, TierLeft]:
    """`left` of the whole fleet as it is in the store."""
    with database.reading() as session:
        fleet = candidates.every(session, as_of)
    return left(fleet, policy, Progress(database).seated())


def left(fleet: Iterable[Candidate], policy: Policy, seated: Collection[str]) -> Mapping[Tier, TierLeft]:
    """By tier: who could be planned and has no seat in a wave that can still begin, and who stays blocked."""
    eligible: defaultdict[Tier, list[str]] = defaultdict(list)
    blocked: defaultdict[Tier, list[str]] = defaultdict(list)
    for candidate in fleet:
        found = exclusion(candidate, policy)
        if found is None and candidate.id not in seated:
            eligible[candidate.tier].append(candidate.id)
        elif found is not None and found.reason is Reason.BLOCKED:
            blocked[candidate.tier].append(candidate.id)
    return {tier: TierLeft(eligible=eligible[tier], blocked=blocked[tier]) for tier in Tier}
