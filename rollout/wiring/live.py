"""The world in which instances run, on the host part of a home."""

from collections.abc import Mapping
from dataclasses import replace

from rollout.executor.ports import Clock, Runtime
from rollout.host.client import Client
from rollout.model.fleet import RuntimeName
from rollout.model.policy import HealthGate, Policy
from rollout.network.ask import Asker
from rollout.operations.replace import Live
from rollout.runtimes.legacy import Legacy
from rollout.runtimes.v2 import V2


def runtimes(host: Client, clock: Clock, asker: Asker) -> Mapping[RuntimeName, Runtime]:
    """Both sides on this host part."""
    return {
        RuntimeName.LEGACY: Legacy(host, clock, host),
        RuntimeName.V2: V2(host, clock, lambda address, question: asker.ask(address, question).good, host),
    }


def live(host: Client, clock: Clock, policy: Policy, asker: Asker) -> Live:
    """The world of operations that put copies in each other's place.

    What is a good answer is the policy's; how long a copy is looked at is not: a deploy stays on its runtime.
    """
    rules = replace(HealthGate(), status_max=policy.health.status_max, body_contains=policy.health.body_contains)
    return Live(host=host, images=host, runtimes=runtimes(host, clock, asker), ask=asker.ask, rules=rules, clock=clock)
