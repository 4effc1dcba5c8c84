"""Choosing the runtime of a service: default, owner's wish, pin. Writing it launches nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.errors import UsageError
from rollout.model.fleet import Origin, Pin, RuntimeName, Setting
from rollout.store import pins, services, setting
from rollout.store.database import Transaction

V2_BY_DEFAULT = Setting(runtime=RuntimeName.V2, origin=Origin.DEFAULT)
V2_BY_OWNER = Setting(runtime=RuntimeName.V2, origin=Origin.OWNER)
LEGACY_BY_OWNER = Setting(runtime=RuntimeName.LEGACY, origin=Origin.OWNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the active policy says of the setting, who asks, and when. `v2_default_from` None: there is no flip."""

    who: str
    now: datetime
    v2_default_from: datetime | None = None
    pin_days: int = 90

    @property
    def flipped(self) -> bool:
        """Whether new services get v2 by default."""
        return self.v2_default_from is not None and self.now >= self.v2_default_from


def of_new(session: Transaction, ids: Sequence[str], asked: RuntimeName | None, rules: Rules, *, reason: str = "") -> None:
    """Services just added have the setting that was asked for, or the default of this day."""
    if asked is not None and setting.written_off(session):
        _refuse(asked)
    if asked is None or asked is (RuntimeName.V2 if rules.flipped else RuntimeName.LEGACY):
        if rules.flipped:
            setting.put_new(session, ids, V2_BY_DEFAULT, who=rules.who, at=rules.now)
        return
    for service in ids:
        choose(session, service, asked, rules, reason=reason)


def choose(session: Transaction, service: str, runtime: RuntimeName, rules: Rules, *, reason: str) -> bool:
    """An owner's choice: legacy is a pin (its reason is needed), v2 asks for the next wave. False: it was so already."""
    if setting.written_off(session):
        _refuse(runtime)
    if runtime is RuntimeName.V2:
        unpinned = pins.remove(session, service, who=rules.who, at=rules.now, why=reason or "the owner asks for v2")
        changed = setting.put(session, service, V2_BY_OWNER, who=rules.who, at=rules.now, why=reason)
        services.ask_for_v2(session, service, True)
        return unpinned or changed
    if not reason.strip():
        raise UsageError(f"{service}: staying on legacy is a pin, and a pin needs a reason", then="add --reason '…'")
    changed = setting.put(session, service, LEGACY_BY_OWNER, who=rules.who, at=rules.now, why=reason)
    pinned = pins.put(session, _pin(service, reason, rules), who=rules.who, at=rules.now)
    services.ask_for_v2(session, service, False)
    return pinned or changed


def by_manifest(session: Transaction, service: str, runtime: RuntimeName, rules: Rules, *, reason: str) -> bool:
    """What a manifest says of the runtime. It counts once: a pin of this file that ended, or v2 reached, stays as it is."""
    if setting.written_off(session):
        if runtime is RuntimeName.LEGACY:
            _refuse(runtime)
        return False
    if runtime is RuntimeName.V2:
        present = setting.get(session, service)
        return present.runtime is not RuntimeName.V2 and choose(session, service, runtime, rules, reason=reason)
    pin = pins.get(session, service)
    return (pin is None or pin.reason != reason) and choose(session, service, runtime, rules, reason=reason)


def _pin(service: str, reason: str, rules: Rules) -> Pin:
    return Pin(
        service=service,
        reason=reason,
        owner=rules.who,
        created=rules.now,
        expires=rules.now + timedelta(days=rules.pin_days),
    )


def _refuse(runtime: RuntimeName) -> None:
    raise UsageError(
        f"--runtime {runtime.value}: the runtime setting is written off: every service is on v2",
        then="leave the runtime out of the command or file",
    )
