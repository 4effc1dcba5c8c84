"""Who can be moved, and the one reason for everybody else."""

import pytest

from rollout.model.fleet import Kind, Origin, Setting, Tier
from rollout.model.plan import Reason
from rollout.model.policy import Policy, TierPolicy
from rollout.planner.eligibility import Question, exclusion
from tests.planner.fleets import V2, candidate

POLICY = Policy(name="p", tiers=(TierPolicy(tier=Tier.TRIAL),))
ON_V2 = Setting(runtime=V2, origin=Origin.DEFAULT)
WORST = {
    "moving": "in wave-3",
    "runs_on": (V2,),
    "release": None,
    "pinned": "by ann",
    "blocked": "5xx",
    "kind": Kind.CRON,
    "has_command": False,
    "no_engine": "only an image",
    "tier": Tier.PRO,
    "setting": ON_V2,
}
CURES = [
    (Reason.MOVING, {"moving": None}),
    (Reason.ON_V2, {"runs_on": ()}),
    (Reason.TIER_UNKNOWN, {"tier": Tier.TRIAL}),
    (Reason.PINNED, {"pinned": None}),
    (Reason.BLOCKED, {"blocked": None}),
    (Reason.CRON, {"kind": Kind.HTTP}),
    (Reason.NO_COMMAND, {"has_command": True}),
    (Reason.NO_ENGINE, {"no_engine": None}),
    (Reason.NOT_RUNNING, {"runs_on": candidate("x").runs_on, "release": 1}),
]


def test_reasons_are_told_in_a_fixed_order_until_none_is_left() -> None:
    facts = dict(WORST)
    for reason, cure in CURES:
        found = exclusion(candidate("a", **facts), POLICY)
        assert found is not None
        assert found.reason is reason
        assert found.detail
        facts |= cure
    assert exclusion(candidate("a", **facts), POLICY) is None


def test_the_question_stands_before_every_other_reason() -> None:
    service = candidate("a", **WORST)
    asked = exclusion(service, POLICY, Question(services=frozenset({"shop/b"})))
    assert asked is not None
    assert asked.reason is Reason.NOT_ASKED
    asked = exclusion(service, POLICY, Question(tiers=(Tier.HOBBY,)))
    assert asked is not None
    assert (asked.reason, asked.detail) == (Reason.OTHER_TIER, "its tier is pro; asked for: hobby")


@pytest.mark.parametrize("origin", Origin)
def test_whoever_wrote_v2_a_service_that_runs_on_legacy_can_move(origin: Origin) -> None:
    assert exclusion(candidate("a", setting=Setting(runtime=V2, origin=origin)), POLICY) is None


def test_every_reason_of_the_model_is_in_use() -> None:
    assert {reason for reason, _ in CURES} | {Reason.NOT_ASKED, Reason.OTHER_TIER} == set(Reason)


def test_a_service_that_runs_on_v2_alone_is_there() -> None:
    found = exclusion(candidate("a", runs_on=(V2,)), POLICY)
    assert found is not None
    assert (found.reason, found.detail) == (Reason.ON_V2, "runs on v2")


def test_what_runs_nowhere_is_not_on_v2_whatever_its_setting_says() -> None:
    found = exclusion(candidate("api", runs_on=(), setting=ON_V2), POLICY)
    assert found is not None
    assert (found.reason, found.detail.partition(";")[0]) == (Reason.NOT_RUNNING, "runs nowhere")
