"""The identity of a plan: its bytes, its hash, its id, and what makes two plans the same."""

from dataclasses import replace
from typing import Any

from rollout.model.plain import canonical, sha256, to_plain
from rollout.model.plan import Plan

SEALS = ("id", "sha256")


def sealed(plan: Plan) -> Plan:
    """The plan with its hash and its id, `plan-` and the hash's first eight digits."""
    digest = sha256(_content(to_plain(plan)))
    return replace(plan, sha256=digest, id=f"plan-{digest[:8]}")


def numbered(plan: Plan, first: int) -> Plan:
    """The same plan with waves from number `first` on, sealed again."""
    waves = tuple(replace(wave, number=first + index) for index, wave in enumerate(plan.waves))
    return sealed(replace(plan, waves=waves))


def encoded(plan: Plan) -> bytes:
    """The canonical JSON of a sealed plan."""
    return canonical(plan)


def genuine(body: dict[str, Any]) -> bool:
    """Whether the plain form of a plan is what its hash and its id say."""
    digest = sha256(_content(body))
    return body.get("sha256") == digest and body.get("id") == f"plan-{digest[:8]}"


def content(plan: Plan) -> str:
    """Hash of what the plan would do: its moves with their preconditions, cut into waves, under its policy.

    Neither the time nor the numbers of waves are in it: two plans with the same content do the same.
    """
    waves = [[wave.tier, wave.boarding, wave.moves] for wave in plan.waves]
    return sha256([plan.policy_hash, waves])


def _content(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in SEALS}
