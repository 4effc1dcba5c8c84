"""A second opinion on plans. Nothing here is used to build one.

`stale` is asked again when a move begins; `lint` reads a plan against its policy and the fleet that it was made from.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.plain import sha256, to_plain
from rollout.model.plan import Candidate, Plan, PlannedMove, Strategy, Wave
from rollout.model.policy import Grouping, Policy, TierPolicy
from rollout.planner.seal import genuine


def stale(planned: PlannedMove, candidate: Candidate | None) -> str | None:
    """What changed since planning so that the move must not begin; None where all its preconditions hold.

    `candidate` is the service as it is now, None where it was removed. Changes that a person made come first.
    """
    if candidate is None:
        return "removed since the plan was made"
    before = planned.precondition
    if candidate.pinned is not None and not before.pinned:
        return f"pinned since: {candidate.pinned}"
    if candidate.blocked is not None:
        return f"blocked since: {candidate.blocked}"
    if candidate.tier is not before.tier:
        return f"its tier was {before.tier}, now {candidate.tier}"
    if before.runtime not in candidate.runs_on:
        now = f"on {', '.join(candidate.runs_on)}" if candidate.runs_on else "nowhere"
        return f"it ran on {before.runtime}, now {now}"
    if candidate.release != before.release:
        return f"release {before.release} was planned, now {candidate.release} runs"
    if candidate.settings_hash != before.settings_hash:
        return "its settings changed"
    return None


def lint(plan: Plan, candidates: Iterable[Candidate], policy: Policy) -> list[str]:
    """Everything that is wrong with the plan, in words; empty for a good one."""
    fleet = {candidate.id: candidate for candidate in candidates}
    return [
        *_seal(plan, policy),
        *_everybody_once(plan, fleet),
        *_order(plan, policy),
        *(problem for wave in plan.waves for move in wave.moves for problem in _move(wave, move, fleet, policy)),
        *_sizes(plan, policy),
        *(problem for wave in plan.waves for problem in _neighbours(wave, policy)),
        *_environments(plan, policy),
    ]


def _seal(plan: Plan, policy: Policy) -> Iterator[str]:
    if not genuine(to_plain(plan)):
        yield "the hash does not match"
    if plan.policy != policy or plan.policy_hash != sha256(policy):
        yield "the plan embeds another policy"
    if plan.expires <= plan.created:
        yield "the plan expires before it was made"


def _everybody_once(plan: Plan, fleet: Mapping[str, Candidate]) -> Iterator[str]:
    told = Counter(move.service for wave in plan.waves for move in wave.moves)
    told.update(exclusion.service for exclusion in plan.excluded)
    yield from (f"{service} stands {n} times in the plan" for service, n in told.items() if n > 1)
    yield from (f"{service} is forgotten" for service in fleet if service not in told)
    yield from (f"{service} is not in the fleet" for service in told if service not in fleet)


def _order(plan: Plan, policy: Policy) -> Iterator[str]:
    numbers = [wave.number for wave in plan.waves]
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        yield f"wave numbers are not consecutive: {numbers}"
    order = [entry.tier for entry in policy.tiers]
    keys = [(not wave.boarding, order.index(wave.tier)) for wave in plan.waves if wave.tier in order]
    if keys != sorted(keys):
        yield "waves are not in the order of tiers"
    yield from (f"{wave.name} is of the tier {wave.tier}, which was not asked for" for wave in _uncalled(plan))
    if not policy.priority_boarding and any(wave.boarding for wave in plan.waves):
        yield "a wave goes ahead of its tier against the policy"


def _uncalled(plan: Plan) -> list[Wave]:
    return [wave for wave in plan.waves if wave.tier not in plan.tiers]


def _move(wave: Wave, move: PlannedMove, fleet: Mapping[str, Candidate], policy: Policy) -> Iterator[str]:
    candidate = fleet.get(move.service)
    if candidate is None:
        return
    if candidate.tier is not wave.tier:
        yield f"{move.service} is of the tier {candidate.tier} and in a wave of {wave.tier}"
    if RuntimeName.LEGACY not in candidate.runs_on or candidate.moving is not None or candidate.kind is Kind.CRON:
        yield f"{move.service} cannot be moved"
    if not candidate.has_command or candidate.no_engine is not None:
        yield f"{move.service} cannot be launched"
    if changed := stale(move, candidate):
        yield f"{move.service} is stale from the start: {changed}"
    alone = candidate.has_volume or candidate.fixed_port or (candidate.kind is Kind.TCP and not candidate.apart)
    alone = alone or (candidate.kind is Kind.WORKER and not policy.worker_overlap)
    if alone != (move.strategy is Strategy.RECREATE):
        yield f"{move.service} must not be moved by {move.strategy}"
    if (move.downtime_s > 0) != alone:
        yield f"{move.service} has a downtime of {move.downtime_s} s by {move.strategy}"


def _sizes(plan: Plan, policy: Policy) -> Iterator[str]:
    totals = Counter(wave.tier for wave in plan.waves for _ in wave.moves)
    begun: set[tuple[Tier, bool]] = set()
    for wave in plan.waves:
        rules = _rules(policy, wave.tier)
        if rules is None:
            yield f"{wave.name}: the policy has no tier {wave.tier}"
            continue
        first = (wave.tier, wave.boarding) not in begun
        begun.add((wave.tier, wave.boarding))
        most = max(1, (rules.first if first else rules.size).of(totals[wave.tier]))
        most = max(most, rules.first.of(totals[wave.tier])) if not policy.priority_boarding else most
        whole = policy.environments is Grouping.TOGETHER and len({move.environment for move in wave.moves}) == 1
        if not wave.moves:
            yield f"{wave.name} is empty"
        if len(wave.moves) > most and not whole:
            yield f"{wave.name} has {len(wave.moves)} services, allowed are {most}"


def _rules(policy: Policy, tier: Tier) -> TierPolicy | None:
    return next((entry for entry in policy.tiers if entry.tier is tier), None)


def _neighbours(wave: Wave, policy: Policy) -> Iterator[str]:
    limit = policy.per_customer_in_wave
    environments: dict[str, set[str]] = {}
    for move in wave.moves:
        environments.setdefault(move.customer, set()).add(move.environment)
    counts = Counter(move.customer for move in wave.moves)
    for customer, n in counts.items():
        whole = policy.environments is Grouping.TOGETHER and len(environments[customer]) == 1
        if limit is not None and n > limit and not whole:
            yield f"{wave.name} has {n} services of {customer}, allowed are {limit}"
    if policy.environments is Grouping.APART:
        places = Counter(move.environment for move in wave.moves)
        yield from (f"{wave.name} has {n} services of the environment {e}" for e, n in places.items() if n > 1)


def _environments(plan: Plan, policy: Policy) -> Iterator[str]:
    """Together: a tier's services of one environment are in one wave."""
    if policy.environments is not Grouping.TOGETHER:
        return
    seen: dict[tuple[Tier, str], int] = {}
    for wave in plan.waves:
        for environment in sorted({move.environment for move in wave.moves}):
            other = seen.setdefault((wave.tier, environment), wave.number)
            if other != wave.number:
                yield f"the environment {environment} is cut between wave-{other} and {wave.name}"
