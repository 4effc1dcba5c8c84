"""What a person has chosen for a home: the policy, and what runs a service that names nothing."""

import os

from rollout.errors import UsageError
from rollout.manifests import policy as policies
from rollout.model.fleet import EngineName
from rollout.model.policy import Policy
from rollout.store.database import Database
from rollout.store.policies import active_policy

ENGINE = "ROLLOUT_ENGINE"


def policy_in_force(database: Database) -> Policy:
    """The policy that a person has chosen, else the shipped default."""
    with database.reading() as session:
        return active_policy(session) or policies.default()


def default_engine() -> EngineName:
    """What runs a service that names no engine. UsageError where ROLLOUT_ENGINE is none."""
    named = os.environ.get(ENGINE) or EngineName.PROCESS.value
    try:
        return EngineName(named)
    except ValueError:
        known = ", ".join(EngineName)
        raise UsageError(f"{ENGINE}={named} is no engine", then=f"set it to one of {known}") from None
