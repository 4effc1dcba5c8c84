"""Plans in parts: one wave is read without its plan, and what was changed by hand is found wherever it stands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from rollout.errors import StaleError, UsageError
from rollout.model.plan import Plan
from rollout.model.policy import Amount, Policy, TierPolicy
from rollout.planner.build import Moment, build
from rollout.store.database import Database
from rollout.store.plans import Plans
from rollout.store.waves import Waves
from rollout.wiring.home import Home
from tests.planner.fleets import NOW, Kind, Tier, candidate

RULES = Policy(name="p", tiers=(TierPolicy(tier=Tier.TRIAL, first=Amount(count=1), size=Amount(count=2)),))


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    yield opened
    opened.close()


def stored(database: Database) -> Plan:
    fleet = [candidate(name) for name in "abcde"] + [candidate(f"cron{n}", kind=Kind.CRON) for n in range(1500)]
    plan = build(fleet, RULES, Moment(now=NOW, fleet_revision=1))
    return Plans(database).store(plan, who="ann", now=NOW).plan


def changed(database: Database, statement: str) -> None:
    with database.writing() as session:
        session.connection().exec_driver_sql(statement)


def test_a_whole_plan_comes_back_from_its_parts(database: Database) -> None:
    plan = stored(database)
    assert Plans(database).get(plan.id).plan == plan
    assert len(plan.excluded) == 1500
    assert Plans(database).waves(plan.id) == [1, 2, 3]
    with pytest.raises(UsageError, match="there is no plan-x"):
        Plans(database).waves("plan-x")


def test_one_wave_is_read_without_the_others(database: Database) -> None:
    plan = stored(database)
    changed(database, "update plan_part set text = 'broken' where wave is null or wave <> 2")
    found = Waves(database).get(2)
    assert found.wave == plan.waves[1]
    assert found.policy == RULES


@pytest.mark.parametrize(
    "statement",
    [
        "update plan_part set text = replace(text, 'shop/b', 'shop/z') where wave = 2",
        "update plan set body = replace(body, '\"step_s\":30.0', '\"step_s\":31.0')",
    ],
)
def test_a_wave_or_policy_changed_by_hand_is_refused(database: Database, statement: str) -> None:
    stored(database)
    changed(database, statement)
    with pytest.raises(StaleError, match="does not match"):
        Waves(database).get(2)


@pytest.mark.parametrize(
    "statement",
    [
        "update plan_part set text = replace(text, 'cron7\"', 'cron8\"')",
        "update plan_part set sha256 = '', text = replace(text, 'shop/b', 'shop/z') where wave = 2",
        "update plan set body = replace(body, '\"fleet_revision\":1', '\"fleet_revision\":2')",
        "delete from plan_part where wave = 3",
        "update plan_part set text = 'broken' where wave = 1",
    ],
)
def test_a_plan_changed_by_hand_is_refused(database: Database, statement: str) -> None:
    plan = stored(database)
    changed(database, statement)
    with pytest.raises(StaleError, match=f"{plan.id} is not what was planned: its hash does not match"):
        Plans(database).get(plan.id)


def test_the_number_of_statements_does_not_grow_with_the_waves(database: Database) -> None:
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    counted = []
    for size in (5, 20, 200):
        fleet = [candidate(f"{size}-{n}") for n in range(size)]
        plan = build(fleet, RULES, Moment(now=NOW, fleet_revision=1, first_wave=Plans(database).moment()[1]))
        asked.clear()
        Plans(database).store(plan, who="ann", now=NOW)
        counted.append(len(asked))
    assert counted[1] == counted[2]
