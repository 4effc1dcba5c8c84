"""Removing the setting: what still needs it, and writing it off once nothing does."""

<<<<<<< HEAD
=======
from collections import Counter
>>>>>>> w-host
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import WaitingError
<<<<<<< HEAD
=======
from rollout.executor.finalize import Blocker, Facts, blockers
>>>>>>> w-host
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Candidate
from rollout.store import setting
from rollout.store.database import Transaction

<<<<<<< HEAD
SHOWN = 5
=======
SHOWN = 3
>>>>>>> w-host


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
<<<<<<< HEAD
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
=======
    """What stands against removing the setting, one entry for each service; none: it may go."""

    blockers: Sequence[Blocker]
    services: int
    written_off: bool


def readiness(fleet: Sequence[Candidate], *, written_off: bool) -> Readiness:
    """What still needs the setting. A service that runs nowhere counts as on legacy while its setting says so."""
    facts = Facts(
>>>>>>> w-host
        on_legacy=[c.id for c in fleet if _on_legacy(c)],
        moving=[(c.id, c.moving) for c in fleet if c.moving is not None],
        blocked=[(c.id, c.blocked) for c in fleet if c.blocked is not None],
        pinned=[(c.id, c.pinned) for c in fleet if c.pinned is not None],
<<<<<<< HEAD
        services=len(fleet),
        written_off=written_off,
    )
=======
    )
    return Readiness(blockers=[] if written_off else blockers(facts), services=len(fleet), written_off=written_off)
>>>>>>> w-host


def refuse(found: Readiness) -> None:
    """WaitingError that counts what is left; nothing where there is none."""
<<<<<<< HEAD
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
=======
    if not found.blockers:
        return
    counts = Counter(blocker.kind.replace("_", " ") for blocker in found.blockers)
    named = ", ".join(blocker.service for blocker in found.blockers[:SHOWN])
    more = f" and {len(found.blockers) - SHOWN} more" if len(found.blockers) > SHOWN else ""
    raise WaitingError(
        f"{', '.join(f'{count} {kind}' for kind, count in counts.items())}: {named}{more} still need the setting",
        then="rollout finalize --check lists them, each with the next command",
>>>>>>> w-host
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
<<<<<<< HEAD


def _counted(word: str, services: Sequence[str]) -> str:
    if not services:
        return ""
    named = ", ".join(services[:SHOWN]) + (f" and {len(services) - SHOWN} more" if len(services) > SHOWN else "")
    return f"{len(services)} {word} ({named})"
=======
>>>>>>> w-host
