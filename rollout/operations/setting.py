"""Choosing the runtime of a service: default, owner's wish, pin. Writing it launches nothing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.errors import UsageError
from rollout.model.fleet import Origin, Pin, RuntimeName, Setting
from rollout.store import pins, services, setting
from rollout.store.database import Transaction

V2_BY_DEFAULT = Setting(runtime=RuntimeName.V2, origin=Origin.DEFAULT)
V2_BY_OWNER = Setting(runtime=RuntimeName.V2, origin=Origin.OWNER)
LEGACY_BY_OWNER = Setting(runtime=RuntimeName.LEGACY, origin=Origin.OWNER)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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

    @property
    def pin_ends(self) -> datetime:
        """When a pin ends that names no end."""
        return self.now + timedelta(days=self.pin_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A pin as it is asked for. What is None stays as it is; for a new pin it is who asks, and the end that the policy gives."""

    reason: str | None = None
    owner: str | None = None
    until: datetime | None = None
    blocker: str | None = None


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
    before = pins.get(session, service)
    same = before is not None and before.holds(rules.now) and before.reason == told(reason)
    wish = Wish(reason=reason) if same else Wish(reason=reason, owner=rules.who, until=rules.pin_ends)
    return stay(session, service, wish, rules)


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
    return (pin is None or pin.reason != told(reason)) and choose(session, service, runtime, rules, reason=reason)


def stay(session: Transaction, service: str, wish: Wish, rules: Rules) -> bool:
    """The service is pinned, and its setting is legacy by its owner. False: it was so already."""
    pin = _pin(pins.get(session, service), service, wish, rules)
    changed = setting.put(session, service, LEGACY_BY_OWNER, who=rules.who, at=rules.now, why=pin.reason)
    services.ask_for_v2(session, service, False)
    return pins.put(session, pin, who=rules.who, at=rules.now) or changed


def leave(session: Transaction, service: str, rules: Rules, *, reason: str = "") -> Pin | None:
    """The service has no pin, and its setting is the default again where the pin had made it legacy; the pin that it had."""
    pin = pins.get(session, service)
    pins.remove(session, service, who=rules.who, at=rules.now, why=reason)
    if pin is not None and setting.get(session, service) == LEGACY_BY_OWNER:
        setting.put(session, service, Setting(), who=rules.who, at=rules.now, why=reason or "unpin")
    return pin


def told(reason: str) -> str:
    """The reason in one line: no control characters, no space around it or twice within."""
    return " ".join(_CONTROL.sub(" ", reason).split())


def _pin(before: Pin | None, service: str, wish: Wish, rules: Rules) -> Pin:
    """What the wish leaves open stays as it is, while the pin holds."""
    held = before if before is not None and before.holds(rules.now) else None
    kept = held or Pin(service=service, reason="", owner=rules.who, created=rules.now, expires=rules.pin_ends)
    return replace(
        kept,
        reason=kept.reason if wish.reason is None else told(wish.reason),
        owner=wish.owner or kept.owner,
        expires=wish.until or kept.expires,
        blocker=kept.blocker if wish.blocker is None else told(wish.blocker) or None,
    )


def _refuse(runtime: RuntimeName) -> None:
    raise UsageError(
        f"--runtime {runtime.value}: the runtime setting is written off: every service is on v2",
        then="leave the runtime out of the command or file",
    )
