"""The names that a shell offers: from the home's store and from what comes with the program. Never an error, nothing heavy."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from rollout.model.fleet import RuntimeName, Tier
from rollout.store.names import FILE, Reader
from rollout.wiring.where import folder

Kind = str
SERVICE, WAVE, ANY_WAVE, PLAN, POLICY, SCHEDULE = "service", "wave", "any wave", "plan", "policy", "schedule"
ENVIRONMENT, CUSTOMER, REGION, TIER, RUNTIME = "environment", "customer", "region", "tier", "runtime"
WORDS: Mapping[Kind, tuple[str, ...]] = {TIER: tuple(Tier), RUNTIME: tuple(RuntimeName)}
"""What is the same in every home."""


def names(kind: Kind, begin: str) -> list[str]:
    """The names of a kind that begin with `begin`; none where there is no home, or a store that cannot be read."""
    if kind in WORDS:
        return [word for word in WORDS[kind] if word.startswith(begin.lower())]
    found = _shipped(begin) if kind == POLICY else []
    try:
        home = folder()
        if home is not None:
            found += _STORED[kind](Reader(home / FILE), begin)
    except (OSError, sqlite3.Error):
        pass
    return list(dict.fromkeys(found))


_STORED: Mapping[Kind, Callable[[Reader, str], list[str]]] = {
    SERVICE: Reader.services,
    WAVE: Reader.waves,
    ANY_WAVE: lambda reader, begin: reader.waves(begin, everything=True),
    PLAN: Reader.plans,
    POLICY: Reader.policies,
    SCHEDULE: Reader.schedules,
    ENVIRONMENT: Reader.environments,
    CUSTOMER: Reader.customers,
    REGION: Reader.regions,
}


def _shipped(begin: str) -> list[str]:
    from rollout.manifests.policy import folder as policies  # noqa: PLC0415 (loaded for this kind alone)

    found = (Path(entry.name) for entry in policies().iterdir())
    return sorted(path.stem for path in found if path.suffix == ".toml" and path.stem.startswith(begin))
