"""Removing the setting: what still needs it, and writing it off once nothing does."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rollout.errors import WaitingError
from rollout.executor.finalize import Blocker, Facts, blockers
from rollout.manifests import naming
from rollout.manifests.problem import FileProblemError
from rollout.model.fleet import RuntimeName
from rollout.model.plan import Candidate
from rollout.model.schedule import Schedule
from rollout.store import schedules, setting
from rollout.store.database import Transaction
from rollout.store.manifests import Named

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """A file that names a runtime: the first place that does, and how many. `problem`: it cannot be read now, and did then."""

    path: str
    key: str
    times: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What stands against removing the setting, one entry for each service; none: it may go.

    `naming`: files that still name a runtime; they stand against nothing either, and are not ours to change.
    `nowhere`: services that run nowhere. They stand against nothing: their next deploy goes to v2 then.
    """

    blockers: Sequence[Blocker]
    services: int
    written_off: bool
    nowhere: Sequence[str] = ()
    naming: Sequence[Naming] = ()


def readiness(fleet: Sequence[Candidate], *, written_off: bool, bound: Sequence[Schedule] = ()) -> Readiness:
    """What still needs the setting. A service that runs nowhere does not, whatever its setting says.

    `bound`: the schedules of waves that can still run.
    """
    facts = Facts(
        on_legacy=[c.id for c in fleet if RuntimeName.LEGACY in c.runs_on],
        moving=[(c.id, c.moving) for c in fleet if c.moving is not None],
        blocked=[(c.id, c.blocked) for c in fleet if c.blocked is not None],
        pinned=[(c.id, c.pinned.removeprefix("pinned ")) for c in fleet if c.pinned is not None],
        scheduled=[_scheduled(schedule) for schedule in bound],
    )
    return Readiness(
        blockers=[] if written_off else blockers(facts),
        services=len(fleet),
        written_off=written_off,
        nowhere=[c.id for c in fleet if not c.runs_on],
    )


def _scheduled(schedule: Schedule) -> tuple[str, str, str]:
    times = schedule.times
    when = f"at {times.at:%Y-%m-%d %H:%M}" if times.at else f"by cron {times.cron}"
    name = schedule.wave_name
    return name, f"{when} {times.zone}, by {schedule.by}", f"rollout schedule remove {name}"


def still_naming(remembered: Iterable[Named]) -> list[Naming]:
    """Those of the files that name a runtime now. They are read again: their owners may have changed them since."""
    return [found for named in remembered if (found := _read_again(named)) is not None]


def _read_again(named: Named) -> Naming | None:
    try:
        found = naming.places(Path(named.path))
    except FileProblemError as error:
        return Naming(path=named.path, key=named.key, times=named.times, problem=error.reason)
    return Naming(path=named.path, key=found[0], times=len(found)) if found else None


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
    bound = schedules.of_open_waves(session)
    refuse(readiness(fleet, written_off=setting.written_off(session), bound=bound))
    setting.write_off(session, who=who, at=now)
