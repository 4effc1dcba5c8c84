"""Planning: propose, look, keep. Nothing here starts a move."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import UsageError
from rollout.model.fleet import Tier
from rollout.model.plan import Candidate, Exclusion, Plan, Reason, Strategy, Wave
from rollout.model.policy import Policy
from rollout.planner.build import Moment, build
from rollout.planner.eligibility import Question
from rollout.store import candidates
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.displaced import Displaced
from rollout.store.plans import Plans, StoredPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that is not stored yet. `unchanged`: the open plan that would do exactly the same.

    `displaced`: waves not begun whose place it would take. It may be empty: then there is nothing to store.
    """

    plan: Plan
    unchanged: StoredPlan | None
    displaced: tuple[Displaced, ...]

    @property
    def empty(self) -> bool:
        """No service is to move."""
        return not self.plan.waves

    @property
    def ask_first(self) -> tuple[Displaced, ...]:
        """Waves that somebody has approved, or left to the scheduler: displacing them wants a person's word."""
        return tuple(found for found in self.displaced if found.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSum:
    """A wave in numbers. Times in seconds; `downtime_s` is the longest of one service; `expected_s` of the wave."""

    name: str
    tier: Tier
    boarding: bool
    services: int
    customers: int
    recreate: int
    downtime_s: float
    expected_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Services that are not in the plan for the same reason; `first` are a few of them, `told` what is said of each of these."""

    reason: Reason
    count: int
    first: tuple[str, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A plan in numbers: its waves, who is left out, and the counts of the last line."""

    waves: tuple[WaveSum, ...]
    left_out: tuple[LeftOut, ...]
    to_move: int
    pinned: int
    excluded: int

    @property
    def last_line(self) -> str:
        """`Plan: 412 to move, 9 pinned, 31 excluded`."""
        return f"Plan: {self.to_move} to move, {self.pinned} pinned, {self.excluded} excluded"


def tiers(names: Iterable[str], policy: Policy) -> tuple[Tier, ...]:
    """The tiers that a person named, in the policy's order. UsageError for one that the policy does not have."""
    known = [entry.tier for entry in policy.tiers]
    wanted = {name.lower() for name in names}
    for name in sorted(wanted):
        if name not in known:
            told = name or "with an empty name"
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"the policy {policy.name} has no tier {told}; {hint}", then="rollout policy show")
    return tuple(tier for tier in known if tier in wanted)


def propose(database: Database, policy: Policy, question: Question, *, as_of: AsOf, now: datetime) -> Proposal:
    """The plan for this fleet under this policy, made as of `as_of.now`. Changes nothing."""
    plans = Plans(database)
    revision, first = plans.moment()
    moment = Moment(now=as_of.now, fleet_revision=revision, first_wave=first)
    plan = build(_fleet(database, as_of), policy, moment, question)
    unchanged = plans.same(plan, now) if plan.waves else None
    displaced = () if unchanged else tuple(plans.displaced(plan, now))
    return Proposal(plan=plan, unchanged=unchanged, displaced=displaced)


def _fleet(database: Database, as_of: AsOf) -> Iterator[Candidate]:
    """The whole fleet, once: who has read it can forget it."""
    with database.reading() as session:
        return iter(candidates.every(session, as_of))


def keep(database: Database, proposal: Proposal, *, who: str, now: datetime) -> StoredPlan:
    """The proposal is stored, and what it displaces superseded; the open plan where it would do exactly the same.

    ChangedError where it would displace a wave that wants a person's word and was not shown, or one that has begun since.
    """
    return proposal.unchanged or Plans(database).store(proposal.plan, who=who, now=now, agreed=proposal.displaced)


def summary(plan: Plan, *, names: int = 3) -> Summary:
    """The plan in numbers, with at most so many names of services that are left out for the same reason."""
    groups: dict[Reason, list[Exclusion]] = {}
    for exclusion in plan.excluded:
        groups.setdefault(exclusion.reason, []).append(exclusion)
    left_out = [_left_out(reason, found, names) for reason, found in groups.items()]
    pinned = len(groups.get(Reason.PINNED, ()))
    return Summary(
        waves=tuple(_sum(wave, plan.policy.concurrency.total) for wave in plan.waves),
        left_out=tuple(sorted(left_out, key=lambda group: (-group.count, group.reason))),
        to_move=sum(len(wave.moves) for wave in plan.waves),
        pinned=pinned,
        excluded=len(plan.excluded) - pinned,
    )


def _left_out(reason: Reason, found: Sequence[Exclusion], names: int) -> LeftOut:
    few = found[:names]
    told = tuple(one.detail for one in few)
    return LeftOut(reason=reason, count=len(found), first=tuple(one.service for one in few), told=told)


def _sum(wave: Wave, at_once: int) -> WaveSum:
    moves = wave.moves
    lasts = [move.expected_s for move in moves]
    return WaveSum(
        name=wave.name,
        tier=wave.tier,
        boarding=wave.boarding,
        services=len(moves),
        customers=len({move.customer for move in moves}),
        recreate=len([1 for move in moves if move.strategy is Strategy.RECREATE]),
        downtime_s=max([move.downtime_s for move in moves]),
        expected_s=max(*lasts, sum(lasts) / max(1, at_once)),
    )
