"""The policy in force, and the others that are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.errors import UsageError
from rollout.manifests import policy as files
from rollout.manifests.located import near
from rollout.model.plain import sha256
from rollout.model.policy import Policy
from rollout.store.policies import Policies, StoredPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A policy with where it comes from. `stored` is None for one that comes with the program and was never used here."""

    name: str
    hash: str
    policy: Policy
    source: str
    origin: str
    active: bool
    stored: datetime | None = None
    stored_by: str = ""


def active(policies: Policies | None) -> Known:
    """The one in force: that which was chosen last, else `default`. Without a home there is nothing but the shipped ones."""
    return next(known for known in listed(policies) if known.active)


def named(policies: Policies | None, name: str) -> Known:
    """A file (with a `/` or ending in `.toml`), one that comes with the program, or one stored here by name or hash.

    UsageError where there is none, with those that there are, or where it does not fit, with file, line and key.
    """
    if name.endswith(".toml") or "/" in name:
        policy, source = files.read(name)
        return Known(name=policy.name, hash=sha256(policy), policy=policy, source=source, origin=name, active=False)
    if name in files.shipped():
        return _shipped(name)
    known = listed(policies)
    found = [one for one in known if one.name == name or (len(name) >= 8 and one.hash.startswith(name))]
    if not found:
        hint = near(name, [one.name for one in known])
        told = name or "with an empty name"
        raise UsageError(f"no policy {told}; {hint}", then="rollout policy list, or give a file FILE.toml")
    return found[-1]


def listed(policies: Policies | None) -> Sequence[Known]:
    """All that come with the program, then those that were put in force here, the oldest first. One is active."""
    stored = [_of_store(one) for one in policies.listed()] if policies else []
    shipped = [_shipped(name) for name in files.shipped()]
    if not any(one.active for one in stored):
        shipped = [replace(one, active=one.name == files.DEFAULT) for one in shipped]
    here = {one.hash: one for one in stored}
    ours = {one.hash for one in shipped}
    return [*(here.get(one.hash, one) for one in shipped), *(one for one in stored if one.hash not in ours)]


def use(policies: Policies, known: Known, *, who: str, now: datetime) -> str:
    """The policy is in force from now on; its hash."""
    return policies.use(known.policy, source=known.source, who=who, now=now)


def _of_store(one: StoredPolicy) -> Known:
    return Known(
        name=one.policy.name,
        hash=one.hash,
        policy=one.policy,
        source=one.source,
        origin="stored",
        active=one.active,
        stored=one.stored,
        stored_by=one.stored_by,
    )


def _shipped(name: str) -> Known:
    policy, source = files.read(name)
    return Known(name=policy.name, hash=sha256(policy), policy=policy, source=source, origin="shipped", active=False)
