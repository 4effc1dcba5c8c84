"""How long a move lasts where nobody asks the service."""

from dataclasses import replace

import pytest

from rollout.cli.plan_text import quiet
from rollout.model.fleet import Tier
from rollout.model.policy import Deadlines, Inconclusive, Policy, TierPolicy
from rollout.planner.expected import when_quiet

POLICY = Policy(
    name="p",
    tiers=(
        TierPolicy(tier=Tier.TRIAL, inconclusive=Inconclusive.ACCEPT),
        TierPolicy(tier=Tier.HOBBY, inconclusive=Inconclusive.PROBE),
        TierPolicy(tier=Tier.PRO),
        TierPolicy(tier=Tier.ENTERPRISE),
    ),
    steps=(10, 50, 100),
    step_s=60,
    bake_s=600,
    deadlines=Deadlines(step_s=1800),
)


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        (Inconclusive.HOLD, 1800),
        (Inconclusive.PROBE, 2 * (1800 - 60) + 1800),
        (Inconclusive.ACCEPT, 2 * (3600 - 60) + 2 * (1800 + 600) - 600),
    ],
)
def test_a_quiet_service_lasts_longer_by_the_limits_of_its_states(rule: Inconclusive, seconds: float) -> None:
    assert when_quiet(POLICY, rule) == seconds


def test_a_plan_says_so_for_its_tiers_and_only_where_a_gate_counts_requests() -> None:
    assert quiet(POLICY, [Tier.HOBBY, Tier.PRO, Tier.PRO, Tier.ENTERPRISE]) == (
        "with too little traffic: hobby up to 88 min longer, by our own requests; "
        "pro and enterprise held for an approval after 30 min of a step"
    )
    assert quiet(replace(POLICY, traffic=None), [Tier.PRO]) == ""
