"""Policy files (`plans/*.toml`): what a person writes, read into `model.policy.Policy`.

The keys are told by `plans/default.toml`, which is the manual. What a file leaves out has the value of the model.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from rollout.errors import UsageError
from rollout.manifests.located import (
    Convert,
    Place,
    Unfit,
    amount,
    between,
    day,
    days,
    duration,
    duration_or_none,
    moment,
    near,
    one_of,
    percent,
    read_table,
    share,
    shown,
    truth,
    whole,
    words,
)
from rollout.model.fleet import Tier
from rollout.model.policy import (
    Concurrency,
    Deadlines,
    Grouping,
    HealthGate,
    Inconclusive,
    Overrun,
    PerformanceGate,
    Policy,
    TierPolicy,
    TrafficGate,
)
from rollout.perf import blocks

DEFAULT = "default"
Fields = Mapping[str, tuple[str, Convert]]


def _steps(value: Any) -> tuple[int, ...]:
    good = isinstance(value, list) and all(type(step) is int and 0 < step <= 100 for step in value)
    if not good or not value or value[-1] != 100 or sorted(set(value)) != value:
        raise Unfit("rising percentages that end with 100, such as [1, 10, 50, 100]")
    return tuple(value)


TOP: Fields = {"name": ("name", words), "expires": ("expires_days", days), "pin": ("pin_days", days)}
WAVES: Fields = {
    "per_customer": ("per_customer_in_wave", whole(1)),
    "environments": ("environments", one_of(Grouping)),
    "priority_boarding": ("priority_boarding", truth),
    "worker_overlap": ("worker_overlap", truth),
}
TRAFFIC: Fields = {
    "steps": ("steps", _steps),
    "step": ("step_s", duration_or_none),
    "bake": ("bake_s", duration),
    "keep_warm": ("keep_warm_s", duration_or_none),
    "hold_limit": ("hold_limit_s", duration),
    "overrun": ("overrun", one_of(Overrun)),
}
CALENDAR: Fields = {"deadline": ("deadline", day), "v2_default_from": ("v2_default_from", moment)}
CONCURRENCY: Fields = {
    "total": ("total", whole(1)),
    "per_customer": ("per_customer", whole(1)),
    "per_environment": ("per_environment", whole(1)),
}
DEADLINES: Fields = {
    "publishing": ("publishing_s", duration),
    "launching": ("launching_s", duration),
    "proving": ("proving_s", duration),
    "step": ("step_s", duration),
    "draining": ("draining_s", duration),
}
HEALTH: Fields = {
    "passes": ("passes", whole(1)),
    "looks": ("looks", whole(1)),
    "over": ("over_s", duration_or_none),
    "every": ("every_s", duration),
    "status_max": ("status_max", whole(200, 599)),
    "body_contains": ("body_contains", words),
}
TRAFFIC_GATE: Fields = {
    "on": ("on", truth),
    "min_requests": ("min_requests", whole(1)),
    "max_increase": ("max_increase", share),
    "max_slowdown": ("max_slowdown", percent),
    "tolerance": ("tolerance_s", duration_or_none),
    "quantile": ("quantile", between(0.01, 0.99)),
}
PERFORMANCE: Fields = {
    "on": ("on", truth),
    "min_requests": ("min_requests", whole(1, 10_000)),
    "max_slowdown": ("max_slowdown", percent),
    "tolerance": ("tolerance_s", duration_or_none),
    "quantile": ("quantile", between(0.01, 0.99)),
    "alpha": ("alpha", between(0.0001, 0.2)),
    "warm_up": ("warm_up", whole(0)),
    "over": ("over_s", duration_or_none),
}
SNAPSHOTS: Fields = {"before": ("before_s", duration)}
TIER: Fields = {
    "name": ("tier", one_of(Tier)),
    "first": ("first", amount(1)),
    "size": ("size", amount(1)),
    "budget": ("budget", amount(0)),
    "inconclusive": ("inconclusive", one_of(Inconclusive)),
    "approvals": ("approvals", whole(0)),
    "max_blocked": ("max_blocked", whole(0)),
}
TABLES = ("waves", "traffic", "calendar", "concurrency", "deadlines", "gates", "snapshots", "tier")


def parse(text: str, *, name: str, file: str) -> Policy:
    """The policy of a TOML text; `name` where the text has none. UsageError with file, line and key where it does not fit."""
    place = Place(file, text)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}", then=f"correct {file}") from None
    tables = {key: raw.pop(key) for key in TABLES if key in raw}
    unknown = next((key for key in raw if key not in TOP), None)
    if unknown:
        where = place.at(unknown) if isinstance(raw[unknown], (dict, list)) else place
        raise where.error("" if where is not place else unknown, f"unknown key; {near(unknown, (*TOP, *TABLES))}")
    arguments = {"name": name, **read_table(raw, TOP, place)}
    for key, fields in (("waves", WAVES), ("traffic", TRAFFIC), ("calendar", CALENDAR), ("snapshots", SNAPSHOTS)):
        arguments |= _section(tables, key, fields, place)
    return Policy(
        **arguments,
        concurrency=Concurrency(**_section(tables, "concurrency", CONCURRENCY, place)),
        deadlines=Deadlines(**_section(tables, "deadlines", DEADLINES, place)),
        tiers=_tiers(tables.get("tier"), place),
        **_gates(tables, place),
    )


def _section(tables: Mapping[str, Any], key: str, fields: Fields, place: Place, *, inside: str = "") -> dict[str, Any]:
    path = f"{inside}.{key}" if inside else key
    raw = tables.get(key, {})
    if not isinstance(raw, dict):
        raise place.at(inside).error(key, f"{shown(raw)} does not fit: expected a table [{path}]")
    return read_table(raw, fields, place.at(path))


def _gates(tables: Mapping[str, Any], place: Place) -> dict[str, Any]:
    gates = tables.get("gates", {})
    known = ("health", "traffic", "performance")
    if not isinstance(gates, dict):
        raise place.error("gates", "expected the tables [gates.health], [gates.traffic] and [gates.performance]")
    for key in gates:
        if key not in known:
            raise place.at(f"gates.{key}").error("", f"unknown gate; {near(key, known)}")
    health = HealthGate(**_section(gates, "health", HEALTH, place, inside="gates"))
    if health.passes > health.looks:
        raise place.at("gates.health").error("passes", f"{health.passes} of {health.looks} looks can never be good")
    traffic = _section(gates, "traffic", TRAFFIC_GATE, place, inside="gates")
    on = traffic.pop("on", True)
    return {
        "health": health,
        "traffic": TrafficGate(**traffic) if on else None,
        "performance": _performance(gates, place) if "performance" in gates else None,
    }


def _performance(gates: Mapping[str, Any], place: Place) -> PerformanceGate | None:
    values = _section(gates, "performance", PERFORMANCE, place, inside="gates")
    on = values.pop("on", True)
    gate = PerformanceGate(**values)
    least = blocks.least(gate.quantile)
    if gate.min_requests < least:
        wrong = f"{gate.min_requests} are too few to compare the quantile {gate.quantile:g}; it takes at least {least}"
        raise place.at("gates.performance").error("min_requests", wrong)
    return gate if on else None


def _tiers(raw: Any, place: Place) -> tuple[TierPolicy, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(entry, dict) for entry in raw):
        raise place.at("tier").error("", "expected one [[tier]] for every tier, in the order in which they move")
    tiers: list[TierPolicy] = []
    for index, entry in enumerate(raw):
        here = place.at("tier", index)
        values = read_table(entry, TIER, here)
        if "tier" not in values:
            raise here.error("name", f"missing; expected one of {', '.join(Tier)}")
        tier = TierPolicy(**values)
        if any(tier.tier is other.tier for other in tiers):
            raise here.error("name", f"the tier {tier.tier} stands here twice")
        tiers.append(tier)
    return tuple(tiers)


def folder() -> Traversable:
    """The policies that come with the program: in an installed package, or beside it in the source tree."""
    installed = files("rollout") / "plans"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "plans"


def shipped() -> dict[str, str]:
    """Name → TOML text of every policy that comes with the program."""
    found = sorted((entry for entry in folder().iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return {entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8") for entry in found}


def default() -> Policy:
    """The policy in force where nobody has chosen one."""
    return parse(shipped()[DEFAULT], name=DEFAULT, file="plans/default.toml")


def read(named: str) -> tuple[Policy, str]:
    """The policy of a file, or of the shipped one of that name, and its TOML text. UsageError where there is neither."""
    path = Path(named)
    if path.suffix == ".toml" or "/" in named:
        text = _text(path)
        return parse(text, name=path.stem, file=named), text
    known = shipped()
    if named not in known:
        raise UsageError(f"no policy {named}; {near(named, known)}", then="rollout policy list, or give a file FILE.toml")
    return parse(known[named], name=named, file=f"plans/{named}.toml"), known[named]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"cannot read the policy {path}: {error.strerror}", then="rollout policy list") from None
