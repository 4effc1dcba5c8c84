"""Stored policies and the one in force."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.manifests import policy
from rollout.store import audit
from rollout.store.policies import Policies, active_policy
from rollout.wiring.home import Home

NOW = datetime(2024, 6, 4, 14, 2, tzinfo=UTC)


@pytest.fixture
def policies(home: Path):
    database = Home(home).database()
    yield Policies(database)
    database.close()


def test_none_is_in_force_before_one_is_chosen(policies: Policies) -> None:
    assert policies.active() is None
    assert policies.listed() == []


def test_the_chosen_one_is_in_force_until_another_is(policies: Policies) -> None:
    case, text = policy.read("runtime-v2")
    key = policies.use(case, source=text, who="ann", now=NOW)
    active = policies.active()
    assert active is not None
    assert (active.policy, active.hash, active.source, active.stored_by, active.stored) == (case, key, text, "ann", NOW)
    policies.use(policy.default(), source="x", who="bob", now=NOW + timedelta(hours=1))
    assert [(p.policy.name, p.active) for p in policies.listed()] == [("runtime-v2", False), ("default", True)]
    assert policies.use(case, source=text, who="bob", now=NOW + timedelta(hours=2)) == key
    assert len(policies.listed()) == 2
    with policies._database.reading() as session:
        assert active_policy(session) == case
        assert [(line.who, line.subject) for line in audit.read(session)] == [
            ("ann", "runtime-v2"),
            ("bob", "default"),
            ("bob", "runtime-v2"),
        ]


def test_a_stored_one_is_found_by_name_or_hash(policies: Policies) -> None:
    case, text = policy.read("runtime-v2")
    key = policies.use(case, source=text, who="ann", now=NOW)
    for name in ("runtime-v2", key, key[:8]):
        found = policies.named(name)
        assert found is not None
        assert found.hash == key
    assert policies.named(key[:7]) is None
    assert policies.named("default") is None
