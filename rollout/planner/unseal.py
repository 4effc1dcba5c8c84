"""From the plain form of a plan back to the plan: what `from_plain` does, several times as fast: a fleet has a million moves."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.plain import from_plain
from rollout.model.plan import Exclusion, Plan, PlannedMove, Precondition, Reason, Strategy, Wave


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
