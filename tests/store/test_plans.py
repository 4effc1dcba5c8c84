"""Stored plans: numbers given once, nothing begun is ever displaced, bytes that match their hash."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from rollout.errors import ChangedError, StaleError, UsageError
from rollout.executor.ports import ControlKind
from rollout.model.plan import Plan
from rollout.model.policy import Amount, Policy, TierPolicy
from rollout.planner.build import Moment, build
from rollout.planner.seal import encoded
from rollout.planner.unseal import decoded
from rollout.store import audit
from rollout.store.controls import Ask, Controls
from rollout.store.database import Database
from rollout.store.displaced import Displaced
from rollout.store.plans import Plans, require_usable
from rollout.store.waves import Waves
from rollout.wiring.home import Home
from tests.planner.fleets import NOW, Tier, candidate

RULES = Policy(name="p", tiers=(TierPolicy(tier=Tier.TRIAL, first=Amount(count=1), size=Amount(count=2)),))
HOUR = timedelta(hours=1)


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    yield opened
    opened.close()


@pytest.fixture
def plans(database: Database) -> Plans:
    return Plans(database)


def plan(*names: str, policy: Policy = RULES, first_wave: int = 1) -> Plan:
    fleet = [candidate(name) for name in names]
    return build(fleet, policy, Moment(now=NOW, fleet_revision=1, first_wave=first_wave))


def test_a_stored_plan_comes_back_as_it_was(plans: Plans) -> None:
    made = plan("a", "b", "c")
    stored = plans.store(made, who="ann", now=NOW)
    assert stored.plan == made
    for name in (made.id, "wave-1", "wave-2"):
        assert plans.get(name).plan == made
    assert (stored.stored_by, stored.stored, stored.open) == ("ann", NOW, True)
    assert plans.moment() == (0, 3)
    seat = plans.seat("shop/c")
    assert seat is not None
    assert (seat.wave, seat.plan, seat.state) == (2, made.id, "planned")
    assert plans.seat("shop/ghost") is None


def test_wave_numbers_are_the_next_free_ones_and_part_of_the_bytes(plans: Plans, database: Database) -> None:
    plans.store(plan("a", "b"), who="ann", now=NOW)
    second = plans.store(plan("x", "y"), who="ann", now=NOW).plan
    assert [wave.number for wave in second.waves] == [3, 4]
    assert decoded(encoded(second), "x") == second
    assert Waves(database).get(4).wave == second.waves[1]
    with database.reading() as session:
        assert [(line.who, line.what, line.subject) for line in audit.read(session)][-1] == ("ann", "plan", second.id)


def test_the_same_again_changes_nothing(plans: Plans) -> None:
    first = plans.store(plan("a", "b"), who="ann", now=NOW)
    again = plans.store(plan("a", "b", first_wave=3), who="bob", now=NOW + HOUR)
    assert (again.plan, again.stored_by, again.stored) == (first.plan, "ann", NOW)
    assert plans.same(plan("a", "b"), NOW + HOUR) is not None
    assert plans.moment()[1] == 3


@pytest.mark.parametrize("why", ["begun", "expired", "another policy"])
def test_what_is_not_the_same_any_more_is_planned_anew(plans: Plans, database: Database, why: str) -> None:
    plans.store(plan("a", "b"), who="ann", now=NOW)
    now, policy = NOW, RULES
    if why == "begun":
        Waves(database).begin(1, who="ann", why="", now=NOW)
    now = NOW + timedelta(days=31) if why == "expired" else NOW
    policy = replace(RULES, bake_s=1.0) if why == "another policy" else RULES
    assert plans.same(plan("a", "b", policy=policy), now) is None


def test_a_new_plan_takes_the_place_of_waves_that_have_not_begun(plans: Plans, database: Database) -> None:
    old = plans.store(plan("a", "b", "c", "d", "e"), who="ann", now=NOW).plan
    assert [[m.service for m in w.moves] for w in old.waves] == [["shop/a"], ["shop/b", "shop/c"], ["shop/d", "shop/e"]]
    Waves(database).begin(1, who="ann", why="", now=NOW)
    made = plan("c", "x")
    assert [(d.wave, d.plan, d.told) for d in plans.displaced(made, NOW)] == [(2, old.id, "")]
    new = plans.store(made, who="ann", now=NOW + HOUR).plan
    facts = {n: Waves(database).get(n).facts for n in (1, 2, 3)}
    assert {n: (f.state, f.superseded_by) for n, f in facts.items()} == {
        1: ("running", None),
        2: ("superseded", new.id),
        3: ("planned", None),
    }
    assert plans.get(old.id).superseded_by is None
    require_usable(plans.get(old.id), NOW + HOUR)
    last = plans.store(plan("d"), who="ann", now=NOW + HOUR).plan
    with pytest.raises(StaleError, match=f"{old.id} was superseded by {last.id}"):
        require_usable(plans.get(old.id), NOW + HOUR)
    seat = plans.seat("shop/c")
    assert seat is not None
    assert seat.plan == new.id


def test_an_approved_or_detached_wave_is_named_before_it_is_displaced(plans: Plans, database: Database) -> None:
    plans.store(plan("a", "b", "c"), who="ann", now=NOW)
    controls = Controls(database)
    for name in ("cy", "dan"):
        controls.write(Ask(kind=ControlKind.APPROVAL, subject="wave-1", actor=name, value=name), now=NOW)
    controls.write(Ask(kind=ControlKind.APPROVAL, subject="wave-2", actor="old", until=NOW + HOUR), now=NOW)
    with database.writing() as session:
        session.execute(text("update wave set detached = 1 where number = 2"))
    later = NOW + 2 * HOUR
    told = [(d.wave, d.told) for d in plans.displaced(plan("a", "b"), later)]
    assert told == [(1, "approved by cy, dan"), (2, "left to the scheduler")]
    plans.store(plan("a", "b"), who="ann", now=later)
    assert [c.subject for c in controls.standing(now=later) if c.subject == "wave-1"] == []


def test_a_plan_made_as_of_long_ago_displaces_nothing_and_cannot_be_used(plans: Plans, database: Database) -> None:
    plans.store(plan("a"), who="ann", now=NOW)
    past = plan("a", "b")
    much_later = NOW + timedelta(days=90)
    stored = plans.store(past, who="ann", now=much_later)
    assert Waves(database).get(1).facts.state == "planned"
    assert Waves(database).get(2).facts.state == "expired"
    with pytest.raises(StaleError, match="expired on 2024-07-04"):
        require_usable(stored, much_later)


def test_a_plan_whose_waves_have_all_begun_is_used_up(plans: Plans, database: Database) -> None:
    made = plans.store(plan("a"), who="ann", now=NOW).plan
    Waves(database).begin(1, who="ann", why="", now=NOW)
    with pytest.raises(StaleError, match="is used up"):
        require_usable(plans.get(made.id), NOW)


def test_bytes_that_were_changed_are_refused(plans: Plans, database: Database) -> None:
    made = plans.store(plan("a"), who="ann", now=NOW).plan
    with database.writing() as session:
        session.execute(text("update plan_part set text = replace(text, 'shop/a', 'shop/z')"))
    with pytest.raises(StaleError, match=f"{made.id} is not what was planned: its hash does not match"):
        plans.get(made.id)


def test_unknown_names_are_answered_with_what_there_is(plans: Plans) -> None:
    with pytest.raises(UsageError, match="nothing has been planned"):
        plans.get("wave-1")
    plans.store(plan("a", "b"), who="ann", now=NOW)
    for name in ("wave-9", "plan-00000000", "quux"):
        with pytest.raises(UsageError, match=f"there is no {name}; there are wave-1 to wave-2"):
            plans.get(name)
    with pytest.raises(UsageError, match="there is no wave1; did you mean wave-1\\?"):
        plans.get("wave1")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"waves": 3', b"3"])
def test_what_is_no_plan_is_a_usage_error(data: bytes) -> None:
    with pytest.raises(UsageError, match="is not a plan"):
        decoded(data, "x.json")


def test_every_changed_byte_of_a_file_is_found() -> None:
    body = json.loads(encoded(plan("a")))
    for key in body:
        with pytest.raises(StaleError, match="its hash does not match"):
            decoded(json.dumps({**body, key: "other"}).encode(), "x.json")


@pytest.mark.parametrize("how", ["approved", "detached", "begun"])
def test_what_changed_since_a_person_was_asked_is_not_superseded(plans: Plans, database: Database, how: str) -> None:
    plans.store(plan("a"), who="ann", now=NOW)
    newer = plan("a", "b")
    shown = plans.displaced(newer, NOW)
    assert [(found.wave, found.told) for found in shown] == [(1, "")]
    if how == "approved":
        Controls(database).write(Ask(kind=ControlKind.APPROVAL, subject="wave-1", actor="eve", reason=""), now=NOW)
    elif how == "detached":
        Waves(database).detach(1, who="eve", why="", now=NOW)
    else:
        Waves(database).begin(1, who="eve", why="", now=NOW)
    word = {"approved": "approved by eve", "detached": "left to the scheduler", "begun": "running"}[how]
    with pytest.raises(ChangedError, match=f"wave-1 is {word} now") as caught:
        plans.store(newer, who="ann", now=NOW, agreed=shown)
    assert caught.value.exit_code == 5
    assert plans.moment()[1] == 2
    assert Waves(database).get(1).facts.state == ("running" if how == "begun" else "planned")


def test_what_a_person_agreed_to_is_superseded(plans: Plans, database: Database) -> None:
    plans.store(plan("a"), who="ann", now=NOW)
    Controls(database).write(Ask(kind=ControlKind.APPROVAL, subject="wave-1", actor="eve", reason=""), now=NOW)
    newer = plan("a", "b")
    shown = plans.displaced(newer, NOW)
    assert shown == [Displaced(wave=1, plan=shown[0].plan, told="approved by eve")]
    plans.store(newer, who="ann", now=NOW, agreed=shown)
    assert Waves(database).get(1).facts.state == "superseded"
