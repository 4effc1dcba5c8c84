"""The second opinion: it finds every kind of bad plan, and every change since planning."""

from dataclasses import replace

import pytest

from rollout.model.fleet import Kind, Tier
from rollout.model.plan import Plan, Strategy
from rollout.model.policy import Amount, Grouping, Policy, TierPolicy
from rollout.planner.build import Moment, build
from rollout.planner.check import lint, stale
from rollout.planner.seal import sealed
from tests.planner.fleets import LEGACY, NOW, V2, candidate

RULES = Policy(
    name="p",
    tiers=tuple(TierPolicy(tier=t, first=Amount(count=1), size=Amount(count=2)) for t in (Tier.TRIAL, Tier.PRO)),
    per_customer_in_wave=2,
)
FLEET = [candidate(f"s{n}", environment=f"e{n // 2}") for n in range(5)] + [
    candidate("p", tier=Tier.PRO),
    candidate("gone", runs_on=()),
]
PLAN = build(FLEET, RULES, Moment(now=NOW, fleet_revision=1))
WAVES = PLAN.waves
MOVE = WAVES[0].moves[0]


def with_waves(*waves: object) -> Plan:
    return sealed(replace(PLAN, waves=waves))


def first(**changes: object) -> Plan:
    return with_waves(replace(WAVES[0], moves=(MOVE._replace(**changes),)), *WAVES[1:])


BAD = {
    "the hash does not match": (replace(PLAN, fleet_revision=2), RULES),
    "embeds another policy": (PLAN, replace(RULES, bake_s=1.0)),
    "expires before": (sealed(replace(PLAN, expires=NOW)), RULES),
    "stands 2 times": (with_waves(*WAVES, replace(WAVES[0], number=5)), RULES),
    "is forgotten": (with_waves(*WAVES[:-1]), RULES),
    "is not in the fleet": (first(service="shop/ghost"), RULES),
    "not consecutive": (with_waves(WAVES[0], replace(WAVES[1], number=9), *WAVES[2:]), RULES),
    "order of tiers": (with_waves(*[replace(w, number=n) for n, w in enumerate(reversed(WAVES), 1)]), RULES),
    "not asked for": (sealed(replace(PLAN, tiers=(Tier.TRIAL,))), RULES),
    "in a wave of pro": (with_waves(replace(WAVES[0], tier=Tier.PRO), *WAVES[1:]), RULES),
    "is empty": (with_waves(*WAVES, replace(WAVES[-1], number=5, moves=())), RULES),
    "stale from the start": (first(precondition=MOVE.precondition._replace(release=9)), RULES),
    "must not be moved by recreate": (first(strategy=Strategy.RECREATE), RULES),
    "has a downtime": (first(downtime_s=3.0), RULES),
    "allowed are 2": (
        with_waves(WAVES[0], replace(WAVES[1], moves=(*WAVES[1].moves, *WAVES[2].moves)), replace(WAVES[3], number=3)),
        RULES,
    ),
}


def test_a_good_plan_has_nothing_wrong() -> None:
    assert len(WAVES) == 4
    assert lint(PLAN, FLEET, RULES) == []


@pytest.mark.parametrize("told", BAD)
def test_a_bad_plan_is_found(told: str) -> None:
    plan, rules = BAD[told]
    assert [problem for problem in lint(plan, FLEET, rules) if told in problem], lint(plan, FLEET, rules)


@pytest.mark.parametrize("told", ["cannot be moved", "cannot be launched"])
def test_a_service_that_cannot_move_is_found(told: str) -> None:
    change = {"cannot be moved": {"kind": Kind.CRON}, "cannot be launched": {"has_command": False}}[told]
    fleet = [c._replace(**change) if c.id == MOVE.service else c for c in FLEET]
    assert [problem for problem in lint(PLAN, fleet, RULES) if told in problem]


@pytest.mark.parametrize("grouping", [Grouping.APART, Grouping.TOGETHER])
def test_environments_are_looked_at(grouping: Grouping) -> None:
    fleet = [candidate(f"s{n}", environment="e") for n in range(3)]
    built = build(fleet, RULES, Moment(now=NOW, fleet_revision=1))
    assert lint(built, fleet, RULES) == []
    other = replace(RULES, environments=grouping)
    told = lint(sealed(replace(built, policy=other)), fleet, other)
    assert [problem for problem in told if "environment" in problem]


CHANGES = {
    "removed": None,
    "pinned since: by ann": {"pinned": "by ann"},
    "blocked since: 5xx": {"blocked": "5xx"},
    "its tier was trial, now pro": {"tier": Tier.PRO},
    "it ran on legacy, now on v2": {"runs_on": (V2,)},
    "it ran on legacy, now nowhere": {"runs_on": ()},
    "release 1 was planned, now 2 runs": {"release": 2},
    "its settings changed": {"settings_hash": "other"},
}


@pytest.mark.parametrize("told", CHANGES)
def test_a_change_since_planning_makes_the_row_stale(told: str) -> None:
    change = CHANGES[told]
    known = next(c for c in FLEET if c.id == MOVE.service)
    assert stale(MOVE, known) is None
    reason = stale(MOVE, None if change is None else known._replace(**change))
    assert reason is not None
    assert told in reason


def test_what_does_not_bear_on_the_move_does_not_make_it_stale() -> None:
    known = next(c for c in FLEET if c.id == MOVE.service)
    assert stale(MOVE, known._replace(asked_for_v2=True, runs_on=(LEGACY, V2), moving="in wave-1")) is None
