"""How a service is moved, how long that takes, and how long it is away. Estimates are bounds that the service itself sets.

A start takes at most the service's health time limit, since a copy that is not healthy by then falls back; proving it takes
the gate's own time. Bringing an image to the host is not in these figures: nothing is known of its size when planning.
"""

from rollout.model.fleet import Kind
from rollout.model.plan import Candidate, Strategy
from rollout.model.policy import HealthGate, Inconclusive, Policy

SWITCH_S = 1.0
"""Taking a copy off the edge, or putting one on it."""


def strategy(candidate: Candidate, policy: Policy) -> tuple[Strategy, str]:
    """How the service is moved, and why it cannot overlap (empty where it can)."""
    if candidate.has_volume:
        return Strategy.RECREATE, "only one copy may mount its volume"
    if candidate.kind is Kind.TCP and not candidate.apart:
        return Strategy.RECREATE, "TCP connections are handed over only in the private network of containers"
    if candidate.fixed_port:
        return Strategy.RECREATE, "two copies cannot share its fixed port"
    if candidate.kind is Kind.WORKER and not policy.worker_overlap:
        return Strategy.RECREATE, "two workers could do the same work twice"
    return Strategy.OVERLAP, ""


def downtime(candidate: Candidate, policy: Policy, how: Strategy) -> float:
    """The longest time (seconds) in which no copy serves; 0 for `overlap`.

    For `recreate`: legacy drains, and has as long again to end; v2 starts and is proven healthy; the edge is switched off and on.
    """
    if how is Strategy.OVERLAP:
        return 0.0
    return 2 * candidate.draining_s + candidate.health_timeout_s + proof(policy.health) + 2 * SWITCH_S


def duration(candidate: Candidate, policy: Policy, how: Strategy) -> float:
    """The longest time (seconds) from the beginning of the move to the end of its bake; keeping legacy warm is not in it."""
    if how is Strategy.RECREATE:
        return downtime(candidate, policy, how) + policy.bake_s
    watched = policy.step_s * (len(policy.steps) - 1) + policy.bake_s
    return candidate.health_timeout_s + proof(policy.health) + watched


def when_quiet(policy: Policy, rule: Inconclusive) -> float:
    """How much longer (seconds) a move lasts at most where too few requests come for the gates to tell.

    With `hold` it is the time after which a traffic step is held for a person: nobody knows how long that takes.
    """
    step, bake = max(policy.deadlines.step_s, policy.step_s), policy.deadlines.step_s + policy.bake_s
    if rule is Inconclusive.HOLD:
        return step
    watched = len(policy.steps) - 1
    times = 2 if rule is Inconclusive.ACCEPT else 1
    return watched * (times * step - policy.step_s) + times * bake - policy.bake_s


def proof(gate: HealthGate) -> float:
    """The shortest time (seconds) in which a healthy copy can be proven so."""
    return max(gate.over_s, gate.every_s * (gate.passes - 1))
