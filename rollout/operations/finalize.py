"""Removing the setting: what still needs it, and writing it off once nothing does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import WaitingError
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Candidate
from rollout.store import setting
from rollout.store.database import Transaction

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What stands against removing the setting: services by the reason, each with a detail. Empty lists: nothing."""

    on_legacy: Sequence[str]
    moving: Sequence[tuple[str, str]]
    blocked: Sequence[tuple[str, str]]
    pinned: Sequence[tuple[str, str]]
    services: int
    written_off: bool

    @property
    def ready(self) -> bool:
        """Nothing stands against it."""
        return not (self.on_legacy or self.moving or self.blocked or self.pinned)


def readiness(fleet: Sequence[Candidate], *, written_off: bool) -> Readiness:
    """What still needs the setting. A service that runs nowhere counts as on legacy while its setting says so."""
    return Readiness(
        on_legacy=[c.id for c in fleet if _on_legacy(c)],
        moving=[(c.id, c.moving) for c in fleet if c.moving is not None],
        blocked=[(c.id, c.blocked) for c in fleet if c.blocked is not None],
        pinned=[(c.id, c.pinned) for c in fleet if c.pinned is not None],
        services=len(fleet),
        written_off=written_off,
    )


def refuse(found: Readiness) -> None:
    """WaitingError that counts what is left; nothing where there is none."""
    if found.ready:
        return
    told = [
        _counted("on legacy", found.on_legacy),
        _counted("moving", [service for service, _ in found.moving]),
        _counted("blocked", [service for service, _ in found.blocked]),
        _counted("pinned", [service for service, _ in found.pinned]),
    ]
    raise WaitingError(
        "the setting is still needed: " + "; ".join(text for text in told if text),
        then="rollout finalize --check lists them; move, unpin or remove them first",
    )


def write_off(session: Transaction, fleet: Sequence[Candidate], *, who: str, now: datetime) -> None:
    """No command offers the setting any more, and setting it is an error. Idempotent.

    `fleet` was read in the same transaction. WaitingError where something still needs the setting.
    """
    refuse(readiness(fleet, written_off=setting.written_off(session)))
    setting.write_off(session, who=who, at=now)


def _on_legacy(candidate: Candidate) -> bool:
    if candidate.runs_on:
        return RuntimeName.LEGACY in candidate.runs_on
    return candidate.setting.runtime is RuntimeName.LEGACY


def _counted(word: str, services: Sequence[str]) -> str:
    if not services:
        return ""
    named = ", ".join(services[:SHOWN]) + (f" and {len(services) - SHOWN} more" if len(services) > SHOWN else "")
    return f"{len(services)} {word} ({named})"
