"""Plans over random fleets and policies hold every limit; the same input gives the same bytes."""

import json
import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.model.fleet import Kind, Tier
from rollout.model.plain import canonical, from_plain, to_plain
from rollout.model.plan import Candidate, Plan, Reason, Strategy
from rollout.model.policy import Amount, Grouping, Policy, TierPolicy
from rollout.planner.build import Moment, build
from rollout.planner.check import lint
from rollout.planner.eligibility import Question
from rollout.planner.seal import encoded, genuine, numbered, wave_text
from rollout.planner.unseal import plan_of
from tests.planner.fleets import LEGACY, NOW, candidate, fleets, policies

MOMENT = Moment(now=NOW, fleet_revision=7, first_wave=3)


def policy(*tiers: Tier, first: int = 1, size: int = 10, **rest: object) -> Policy:
    rules = tuple(TierPolicy(tier=t, first=Amount(count=first), size=Amount(count=size)) for t in tiers or (Tier.TRIAL,))
    return Policy(name="p", tiers=rules, **rest)


def shape(plan: Plan) -> list[list[str]]:
    return [[move.service.partition("/")[2] for move in wave.moves] for wave in plan.waves]


@settings(max_examples=150, deadline=None)
@given(fleets(), policies(), st.sets(st.sampled_from(Tier)))
def test_every_plan_passes_the_independent_lint(fleet: list[Candidate], rules: Policy, tiers: set[Tier]) -> None:
    plan = build(fleet, rules, MOMENT, Question(tiers=tuple(sorted(tiers))))
    assert lint(plan, fleet, rules) == []


@settings(max_examples=50, deadline=None)
@given(fleets(), policies(), st.randoms(use_true_random=False))
def test_the_same_input_gives_the_same_bytes_in_any_order(fleet: list[Candidate], rules: Policy, chance: random.Random) -> None:
    mixed = list(fleet)
    chance.shuffle(mixed)
    assert encoded(build(fleet, rules, MOMENT)) == encoded(build(mixed, rules, MOMENT))


@settings(max_examples=50, deadline=None)
@given(fleets(), policies())
def test_a_plan_survives_its_plain_form(fleet: list[Candidate], rules: Policy) -> None:
    plan = build(fleet, rules, MOMENT)
    assert encoded(plan) == canonical(to_plain(plan))
    assert plan_of(to_plain(plan)) == from_plain(Plan, to_plain(plan)) == plan
    assert genuine(to_plain(plan))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 30), min_size=1), st.integers(1, 4), st.integers(1, 9))
def test_the_limit_per_customer_makes_no_needless_waves(counts: dict[str, int], limit: int, size: int) -> None:
    """Bounds that no order can beat: all services over the size, and every customer over its limit."""
    fleet = [candidate(f"{c}{n}", customer=c, environment=c) for c, total in counts.items() for n in range(total)]
    waves = build(fleet, policy(size=size, first=size, per_customer_in_wave=limit), MOMENT).waves
    fullest = max(-(-n // limit) for n in counts.values())
    assert len(waves) == max(fullest, -(-len(fleet) // size))


def test_numbers_keep_their_text_though_others_are_equal() -> None:
    [wave] = build([candidate("a")], policy(), MOMENT).waves
    for number in (300, 300.0, 300):
        like = replace(wave, moves=(wave.moves[0]._replace(expected_s=number, downtime_s=number),))
        assert wave_text(like) == canonical(like).decode()


def test_one_big_customer_does_not_end_in_a_long_tail() -> None:
    fleet = [candidate(f"big{n:02}", customer="big") for n in range(20)]
    fleet += [candidate(f"small{n:02}", customer=f"c{n}") for n in range(20)]
    waves = build(fleet, policy(first=4, size=4, per_customer_in_wave=2), MOMENT).waves
    assert [len(wave.moves) for wave in waves] == [4] * 10


def test_the_first_wave_is_small_and_tiers_are_in_the_order_of_the_policy() -> None:
    fleet = [candidate(f"{tier}{n}", tier=tier) for tier in (Tier.TRIAL, Tier.PRO) for n in range(4)]
    plan = build(fleet, policy(Tier.PRO, Tier.TRIAL, first=1, size=2), MOMENT)
    assert [(wave.name, wave.tier, len(wave.moves)) for wave in plan.waves] == [
        ("wave-3", Tier.PRO, 1),
        ("wave-4", Tier.PRO, 2),
        ("wave-5", Tier.PRO, 1),
        ("wave-6", Tier.TRIAL, 1),
        ("wave-7", Tier.TRIAL, 2),
        ("wave-8", Tier.TRIAL, 1),
    ]
    assert plan.waves[1].moves[0].why == "wave 2 of 3 of pro"
    assert plan.expires == NOW + timedelta(days=30)


def test_a_share_is_a_share_of_what_can_move_in_the_tier() -> None:
    fleet = [candidate(f"s{n:02}") for n in range(20)] + [candidate(f"cron{n}", kind=Kind.CRON) for n in range(20)]
    rules = Policy(name="p", tiers=(TierPolicy(tier=Tier.TRIAL, first=Amount(percent=10), size=Amount(percent=50)),))
    assert [len(wave.moves) for wave in build(fleet, rules, MOMENT).waves] == [2, 10, 8]


def test_owners_who_asked_go_ahead_of_their_tier_or_first_in_it() -> None:
    fleet = [candidate("t1"), candidate("p1", tier=Tier.PRO), candidate("p2", tier=Tier.PRO, asked_for_v2=True)]
    plan = build(fleet, policy(Tier.TRIAL, Tier.PRO), MOMENT)
    assert shape(plan) == [["p2"], ["t1"], ["p1"]]
    assert [wave.boarding for wave in plan.waves] == [True, False, False]
    assert plan.waves[0].moves[0].why == "ahead of its tier: its owner asked for v2; wave 1 of 1 of pro that asked"
    plan = build(fleet, policy(Tier.TRIAL, Tier.PRO, priority_boarding=False), MOMENT)
    assert shape(plan) == [["t1"], ["p2"], ["p1"]]
    assert not any(wave.boarding for wave in plan.waves)


def test_together_keeps_environments_whole_whatever_the_other_limits_say() -> None:
    fleet = [candidate(f"{place}{n}", environment=place) for place, size in (("a", 5), ("b", 2), ("c", 1)) for n in range(size)]
    plan = build(fleet, policy(first=1, size=3, per_customer_in_wave=1, environments=Grouping.TOGETHER), MOMENT)
    assert shape(plan) == [["c0"], ["b0", "b1"], ["a0", "a1", "a2", "a3", "a4"]]
    plan = build(fleet, policy(first=3, size=5, environments=Grouping.TOGETHER), MOMENT)
    assert shape(plan) == [["b0", "b1", "c0"], ["a0", "a1", "a2", "a3", "a4"]]


def test_together_the_neighbours_of_one_who_asked_board_too() -> None:
    fleet = [candidate("a0", environment="a", asked_for_v2=True), candidate("a1", environment="a"), candidate("b0", "b")]
    plan = build(fleet, policy(first=1, environments=Grouping.TOGETHER), MOMENT)
    assert shape(plan) == [["a0", "a1"], ["b0"]]
    assert plan.waves[0].moves[1].why.startswith("ahead of its tier: with its environment a, asked for v2")


def test_apart_never_has_two_neighbours_in_a_wave() -> None:
    fleet = [candidate(f"{place}{n}", environment=place) for place in "ab" for n in range(3)]
    plan = build(fleet, policy(first=9, size=9, environments=Grouping.APART), MOMENT)
    assert shape(plan) == [["a0", "b0"], ["a1", "b1"], ["a2", "b2"]]


def test_a_question_leaves_the_others_out_with_their_reason() -> None:
    fleet = [candidate("t1"), candidate("t2"), candidate("p1", tier=Tier.PRO)]
    plan = build(fleet, policy(Tier.TRIAL, Tier.PRO), MOMENT, Question(services=frozenset({"shop/t1"})))
    assert shape(plan) == [["t1"]]
    assert {e.service: e.reason for e in plan.excluded} == {"shop/t2": Reason.NOT_ASKED, "shop/p1": Reason.NOT_ASKED}
    plan = build(fleet, policy(Tier.TRIAL, Tier.PRO), MOMENT, Question(tiers=(Tier.PRO,)))
    assert {e.service: e.reason for e in plan.excluded} == dict.fromkeys(["shop/t1", "shop/t2"], Reason.OTHER_TIER)
    assert plan.tiers == (Tier.PRO,)


def test_what_cannot_overlap_says_so_with_its_downtime() -> None:
    rules = policy(first=9)
    fleet = [
        candidate("http", draining_s=5, health_timeout_s=7),
        candidate("port", fixed_port=True, draining_s=5, health_timeout_s=7),
        candidate("tcp", kind=Kind.TCP),
        candidate("led", kind=Kind.TCP, apart=True),
        candidate("volume", has_volume=True),
        candidate("worker", kind=Kind.WORKER),
    ]
    moves = {move.service: move for move in build(fleet, rules, MOMENT).waves[0].moves}
    assert moves["shop/http"].strategy is Strategy.OVERLAP
    assert (moves["shop/http"].downtime_s, moves["shop/led"].downtime_s) == (0, 0)
    assert moves["shop/http"].expected_s == 7 + 1 + 3 * 30 + 300
    assert moves["shop/port"].downtime_s == 2 * 5 + 7 + 1 + 2
    assert moves["shop/port"].expected_s == 2 * 5 + 7 + 1 + 2 + 300
    assert {m.service for m in moves.values() if m.strategy is Strategy.RECREATE} == {
        "shop/port",
        "shop/tcp",
        "shop/volume",
        "shop/worker",
    }
    assert moves["shop/volume"].why.endswith("; recreate: only one copy may mount its volume")
    worker = build([fleet[-1]], policy(worker_overlap=True), MOMENT).waves[0].moves[0]
    assert worker.strategy is Strategy.OVERLAP


def test_the_content_tells_neither_time_nor_numbers_but_every_precondition() -> None:
    fleet = [candidate("a"), candidate("b")]
    first = build(fleet, policy(), MOMENT)
    later = build(fleet, policy(), replace(MOMENT, now=NOW + timedelta(hours=1), first_wave=9, fleet_revision=8))
    assert first.content == later.content
    assert first.sha256 != later.sha256
    assert numbered(later, 3).waves == first.waves
    for changed in (fleet[0]._replace(release=2), fleet[0]._replace(settings_hash="x"), candidate("c", runs_on=(LEGACY,))):
        assert build([changed, fleet[1]], policy(), MOMENT).content != first.content
    assert build(fleet, policy(bake_s=1.0), MOMENT).content != first.content


def test_a_wave_that_was_changed_after_it_was_sealed_has_a_text_of_its_own() -> None:
    plan = build([candidate("a"), candidate("b")], policy(), MOMENT)
    for wave in plan.waves:
        later = replace(wave, number=wave.number + 9, moves=plan.waves[0].moves)
        assert wave_text(later) == canonical(later).decode() != wave_text(wave)
        assert to_plain(later) == json.loads(wave_text(later))
        assert replace(later, number=wave.number, moves=wave.moves) == wave
