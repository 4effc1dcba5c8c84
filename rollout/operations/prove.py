"""Proving one copy healthy before it gets any traffic, by the same looks as the health gate's."""

from collections import deque
from collections.abc import Callable

from rollout.errors import BrokenError
from rollout.executor.ports import Clock, Copy
from rollout.gates.probe import Ask, probe
from rollout.model.fleet import Service
from rollout.model.policy import HealthGate


def prove(inspect: Callable[[], Copy | None], spec: Service, *, rules: HealthGate, ask: Ask, clock: Clock) -> str:
    """What the copy answered, once `passes` of the last `looks` looks were good over at least `over_s` seconds.

    BrokenError when it is not healthy within the service's health time limit, or one of its processes has ended.
    """
    began = clock.now()
    looks: deque[bool] = deque(maxlen=rules.looks)
    while True:
        copy = inspect()
        found = probe(copy, spec, rules, ask)
        looks.append(found.good)
        waited = (clock.now() - began).total_seconds()
        restarts = copy.restarts if copy else 0
        if found.dead or restarts:
            raise _unhealthy(spec, f"{found.said}, restarted {restarts} times")
        if sum(looks) >= rules.passes and waited >= rules.over_s:
            return found.said
        if waited >= spec.health_timeout_s + rules.over_s:
            raise _unhealthy(spec, f"after {spec.health_timeout_s:g} s {sum(looks)} of {len(looks)} looks are good: {found.said}")
        clock.sleep(rules.every_s)


def _unhealthy(spec: Service, why: str) -> BrokenError:
    path = f" (health path {spec.health_path})" if spec.health_path else ""
    return BrokenError(f"{spec.id} is not healthy{path}: {why}", then=f"rollout service logs {spec.id}")
