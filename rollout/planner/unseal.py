"""From the plain form of a plan back to the plan: what `from_plain` does, several times as fast: a fleet has a million moves."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollout.errors import StaleError, UsageError
from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.plain import from_plain
from rollout.model.plan import Exclusion, Plan, PlannedMove, Precondition, Reason, Strategy, Wave
from rollout.planner.seal import genuine


def decoded(data: bytes, where: str) -> Plan:
    """The plan of these bytes. UsageError where they are no plan, StaleError where the hash does not match."""
    try:
        body = json.loads(data)
        good = isinstance(body, dict) and genuine(body)
        plan = plan_of(body) if good else None
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise UsageError(f"{where} is not a plan: {error}", then="rollout plan --out FILE writes one") from None
    if plan is None:
        if not isinstance(body, dict) or "waves" not in body:
            raise UsageError(f"{where} is not a plan", then="rollout plan --out FILE writes one")
        raise StaleError(f"{where} is not what was planned: its hash does not match", then="rollout plan")
    return plan


def plan_of(body: Mapping[str, Any]) -> Plan:
    """The plan. TypeError, ValueError or KeyError name what does not fit."""
    few = from_plain(Plan, {**body, "waves": (), "excluded": ()})
    waves = tuple(wave_of(wave) for wave in body["waves"])
    return replace(few, waves=waves, excluded=tuple(exclusion_of(one) for one in body["excluded"]))


def wave_of(body: Mapping[str, Any]) -> Wave:
    """A wave."""
    return Wave(**{**body, "tier": Tier(body["tier"]), "moves": tuple(_move(move) for move in body["moves"])})


def exclusion_of(body: Mapping[str, Any]) -> Exclusion:
    """An exclusion."""
    return Exclusion(**{**body, "tier": Tier(body["tier"]), "reason": Reason(body["reason"])})


def _move(body: Mapping[str, Any]) -> PlannedMove:
    before = body["precondition"]
    return PlannedMove(
        **{
            **body,
            "kind": Kind(body["kind"]),
            "strategy": Strategy(body["strategy"]),
            "expected_s": float(body["expected_s"]),
            "downtime_s": float(body["downtime_s"]),
            "precondition": Precondition(
                **{**before, "tier": Tier(before["tier"]), "runtime": RuntimeName(before["runtime"])},
            ),
        }
    )
