"""Who can be moved, and for everybody else the one reason why not."""

from dataclasses import dataclass

from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.plan import Candidate, Exclusion, Reason
from rollout.model.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asked to be planned: tiers and service ids. Empty: all of them."""

    tiers: tuple[Tier, ...] = ()
    services: frozenset[str] = frozenset()


ALL = Question()


def exclusion(candidate: Candidate, policy: Policy, question: Question = ALL) -> Exclusion | None:
    """Why the service is not in a plan; None where it is.

    Where several reasons hold, the first of this order is told: not asked for, another tier, moving already, on v2 already,
    a tier that the policy does not name, pinned, blocked, cron, no command, no engine, not running. What a person decided
    stands before what a person must repair.
    """
    found = _outside(candidate, question) or _settled(candidate, policy) or _unable(candidate)
    if found is None:
        return None
    reason, detail = found
    return Exclusion(service=candidate.id, tier=candidate.tier, reason=reason, detail=detail)


def _outside(candidate: Candidate, question: Question) -> tuple[Reason, str] | None:
    if question.services and candidate.id not in question.services:
        return Reason.NOT_ASKED, "not among the services that were asked for"
    if question.tiers and candidate.tier not in question.tiers:
        return Reason.OTHER_TIER, f"its tier is {candidate.tier}; asked for: {', '.join(question.tiers)}"
    return None


def _settled(candidate: Candidate, policy: Policy) -> tuple[Reason, str] | None:
    if candidate.moving is not None:
        return Reason.MOVING, candidate.moving
    if RuntimeName.V2 in candidate.runs_on and RuntimeName.LEGACY not in candidate.runs_on:
        return Reason.ON_V2, "runs on v2"
    if not any([entry.tier is candidate.tier for entry in policy.tiers]):
        return Reason.TIER_UNKNOWN, f"the policy {policy.name} has no tier {candidate.tier}"
    if candidate.pinned is not None:
        return Reason.PINNED, candidate.pinned
    if candidate.blocked is not None:
        return Reason.BLOCKED, candidate.blocked
    return None


def _unable(candidate: Candidate) -> tuple[Reason, str] | None:
    if candidate.kind is Kind.CRON:
        return Reason.CRON, "there is no cut-over for cron services yet"
    if not candidate.has_command:
        return Reason.NO_COMMAND, "neither a command nor an image"
    if candidate.no_engine is not None:
        return Reason.NO_ENGINE, candidate.no_engine
    if not candidate.runs_on and candidate.setting.runtime is RuntimeName.V2:
        return Reason.NOT_RUNNING, "runs nowhere; its setting is v2, so it starts there when it is deployed"
    if not candidate.runs_on or candidate.release is None:
        return Reason.NOT_RUNNING, "runs nowhere: nothing to move"
    return None
