"""Removing the setting: what still needs it, and writing it off once nothing does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.errors import WaitingError
from rollout.executor.finalize import Blocker, Facts, blockers
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Candidate
from rollout.store import setting
from rollout.store.database import Transaction

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What stands against removing the setting, one entry for each service; none: it may go.

    `nowhere`: services that run nowhere. They stand against nothing: their next deploy goes to v2 then.
    """

    blockers: Sequence[Blocker]
    services: int
    written_off: bool
    nowhere: Sequence[str] = ()


def readiness(fleet: Sequence[Candidate], *, written_off: bool) -> Readiness:
    """What still needs the setting. A service that runs nowhere does not, whatever its setting says."""
    facts = Facts(
        on_legacy=[c.id for c in fleet if RuntimeName.LEGACY in c.runs_on],
        moving=[(c.id, c.moving) for c in fleet if c.moving is not None],
        blocked=[(c.id, c.blocked) for c in fleet if c.blocked is not None],
        pinned=[(c.id, c.pinned.removeprefix("pinned ")) for c in fleet if c.pinned is not None],
    )
    return Readiness(
        blockers=[] if written_off else blockers(facts),
        services=len(fleet),
        written_off=written_off,
        nowhere=[c.id for c in fleet if not c.runs_on],
    )


def refuse(found: Readiness) -> None:
    """WaitingError that counts what is left; nothing where there is none."""
    if not found.blockers:
        return
    counts = Counter(blocker.kind.replace("_", " ") for blocker in found.blockers)
    named = ", ".join(blocker.service for blocker in found.blockers[:SHOWN])
    more = f" and {len(found.blockers) - SHOWN} more" if len(found.blockers) > SHOWN else ""
    raise WaitingError(
        f"{', '.join(f'{count} {kind}' for kind, count in counts.items())}: {named}{more} still need the setting",
        then="rollout finalize --check lists them, each with the next command",
    )


def write_off(session: Transaction, fleet: Sequence[Candidate], *, who: str, now: datetime) -> None:
    """No command offers the setting any more, and setting it is an error. Idempotent.

    `fleet` was read in the same transaction. WaitingError where something still needs the setting.
    """
    refuse(readiness(fleet, written_off=setting.written_off(session)))
    setting.write_off(session, who=who, at=now)
