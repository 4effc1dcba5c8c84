"""The world in which instances run, on the host part of a home."""

import os
from collections.abc import Mapping
from dataclasses import replace

from rollout.errors import UsageError
from rollout.executor.ports import Clock, Runtime
from rollout.host.ports import HostPart
from rollout.manifests import policy as policies
from rollout.model.fleet import EngineName, RuntimeName
from rollout.model.policy import HealthGate, Policy
from rollout.network.ask import Asker
from rollout.operations.replace import Live
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2
from rollout.store.database import Database
from rollout.store.policies import active_policy

ENGINE = "ROLLOUT_ENGINE"


def runtimes(host: HostPart, clock: Clock, asker: Asker) -> Mapping[RuntimeName, Runtime]:
    """Both sides on this host part."""
    return {
        RuntimeName.LEGACY: Legacy(host, clock),
        RuntimeName.V2: V2(host, clock, lambda address, question: asker.ask(address, question).good),
    }


def live(host: HostPart, clock: Clock, policy: Policy, asker: Asker) -> Live:
    """The world of operations that put copies in each other's place.

    What is a good answer is the policy's; how long a copy is looked at is not: a deploy stays on its runtime.
    """
    rules = replace(HealthGate(), status_max=policy.health.status_max, body_contains=policy.health.body_contains)
    return Live(host=host, runtimes=runtimes(host, clock, asker), ask=asker.ask, rules=rules, clock=clock)


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
