"""What was measured of a service's move, and what the gates said of it with which numbers: for people, page, report and demo."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollout.model.fleet import RuntimeName
from rollout.model.snapshot import Phase, Snapshot
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.perf.snapshots import Figures, Period, figures, periods
from rollout.store import measured
from rollout.store.database import Database
from rollout.store.measured import Judged, Took

GATE = "performance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Both sides of one service at the same time, in milliseconds; None without requests.

    `verdict`: of the performance gate; None where it was not asked, and `reason` then says why, as far as that is known.
    """

    service: str
    legacy_p50_ms: float | None
    v2_p50_ms: float | None
    legacy_p99_ms: float | None
    v2_p99_ms: float | None
    verdict: Outcome | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One period of one side."""

    phase: Phase
    runtime: RuntimeName
    snapshot: Snapshot
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """All numbers of the newest move of a service that began. `took`: single figures, shown and never tested."""

    service: str
    move: str
    state: State
    since: datetime
    comparison: Comparison
    periods: tuple[Measured, ...]
    verdicts: tuple[Judged, ...]
    took: tuple[Took, ...]


def numbers(database: Database, service: str) -> Numbers | None:
    """The numbers of the service's newest move to v2; None where none has begun."""
    with database.reading() as session:
        found = measured.newest(session, [service]).get(service)
        if found is None:
            return None
        snapshots = measured.snapshots(session, [found.id]).get(found.id, ())
        verdicts = measured.verdicts(session, [found.id]).get(found.id, ())
        took = measured.took(session, found.id)
    by_period = periods(snapshots)
    return Numbers(
        service=service,
        move=found.id,
        state=found.state,
        since=found.since,
        comparison=_comparison(service, by_period, verdicts),
        periods=tuple(_measured(by_period)),
        verdicts=tuple(verdicts),
        took=tuple(took),
    )


def by_service(snapshots: Iterable[Snapshot]) -> Mapping[str, Sequence[Measured]]:
    """What these snapshots say of each service, by its id; each period of a side once."""
    taken: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        taken.setdefault(snapshot.service, []).append(snapshot)
    return {service: list(_measured(periods(found))) for service, found in taken.items()}


def comparisons(database: Database, services: Collection[str]) -> Sequence[Comparison]:
    """One line for each service, in their order by id; a service that was never measured has no numbers in it."""
    with database.reading() as session:
        moves = measured.newest(session, services)
        ids = [move.id for move in moves.values()]
        snapshots = measured.snapshots(session, ids)
        verdicts = measured.verdicts(session, ids, gate=GATE)
    found = []
    for service in sorted(services):
        move = moves.get(service)
        taken = periods(snapshots.get(move.id, ())) if move else {}
        found.append(_comparison(service, taken, verdicts.get(move.id, ()) if move else ()))
    return found


def document(comparison: Comparison) -> dict[str, Any]:
    """The plain form of one line; `reason` is left out."""
    names = ("legacy_p50_ms", "v2_p50_ms", "legacy_p99_ms", "v2_p99_ms")
    verdict = str(comparison.verdict) if comparison.verdict else None
    return {"service": comparison.service, **{name: getattr(comparison, name) for name in names}, "verdict": verdict}


def _measured(taken: Mapping[Period, Snapshot]) -> Iterator[Measured]:
    for (phase, runtime), snapshot in taken.items():
        yield Measured(phase=phase, runtime=runtime, snapshot=snapshot, figures=figures(snapshot))


def _comparison(service: str, taken: Mapping[Period, Snapshot], verdicts: Sequence[Judged]) -> Comparison:
    """Of the time in which both served; of a service whose sides never do, before and after."""
    both = (Phase.DURING, RuntimeName.LEGACY) in taken and (Phase.DURING, RuntimeName.V2) in taken
    legacy = taken.get((Phase.DURING if both else Phase.BEFORE, RuntimeName.LEGACY))
    v2 = taken.get((Phase.DURING if both else Phase.AFTER, RuntimeName.V2))
    said = next((judged for judged in reversed(verdicts) if judged.gate == GATE), None)
    old, new = (figures(side) if side else None for side in (legacy, v2))
    return Comparison(
        service=service,
        legacy_p50_ms=old.p50_ms if old else None,
        v2_p50_ms=new.p50_ms if new else None,
        legacy_p99_ms=old.p99_ms if old else None,
        v2_p99_ms=new.p99_ms if new else None,
        verdict=said.outcome if said else None,
        reason=said.reason if said else "",
    )
