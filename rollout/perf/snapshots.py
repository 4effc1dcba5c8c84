"""What snapshots say: added up over the steps of a move, and in figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rollout.model.fleet import RuntimeName
from rollout.model.snapshot import Phase, Snapshot
from rollout.perf.histogram import merge, quantile

Period = tuple[Phase, RuntimeName]
PERIODS: tuple[Period, ...] = (
    (Phase.BEFORE, RuntimeName.LEGACY),
    (Phase.DURING, RuntimeName.LEGACY),
    (Phase.DURING, RuntimeName.V2),
    (Phase.AFTER, RuntimeName.V2),
)
"""What is measured of a move, in the order in which people read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A snapshot in figures; latencies in milliseconds, None without requests."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    load: float
    cpu_cores: float | None
    memory_bytes: int | None


def figures(snapshot: Snapshot) -> Figures:
    """The figures of one snapshot."""
    p50, p95, p99 = (quantile(snapshot.latencies, q) for q in (0.5, 0.95, 0.99))
    return Figures(
        p50_ms=_short(p50),
        p95_ms=_short(p95),
        p99_ms=_short(p99),
        error_rate=snapshot.error_rate,
        load=snapshot.load,
        cpu_cores=snapshot.cpu_cores,
        memory_bytes=snapshot.memory_bytes,
    )


def periods(snapshots: Iterable[Snapshot]) -> dict[Period, Snapshot]:
    """One snapshot for each period that was measured, in the order of PERIODS; those of several traffic steps as one."""
    found: dict[Period, list[Snapshot]] = {}
    for snapshot in snapshots:
        found.setdefault((snapshot.phase, snapshot.runtime), []).append(snapshot)
    order = [*PERIODS, *sorted(found.keys() - set(PERIODS))]
    return {period: together(found[period]) for period in order if period in found}


def together(parts: Sequence[Snapshot]) -> Snapshot:
    """Snapshots of one side as one. CPU and memory are means by time; `weight` is that of the last."""
    if len(parts) == 1:
        return parts[0]
    parts = sorted(parts, key=lambda part: part.began)
    seconds = sum(part.seconds for part in parts)
    first, last = parts[0], parts[-1]
    cpu = _mean([(part.cpu_cores, part.seconds) for part in parts if part.cpu_cores is not None])
    memory = _mean([(part.memory_bytes, part.seconds) for part in parts if part.memory_bytes is not None])
    return replace(
        last,
        began=first.began,
        # Between the steps nothing was measured: the load is that of the time that was.
        ended=first.began + sum((part.ended - part.began for part in parts[1:]), first.ended - first.began),
        requests=sum(part.requests for part in parts),
        errors=sum(part.errors for part in parts),
        latencies=merge(part.latencies for part in parts),
        cpu_cores=cpu,
        memory_bytes=None if memory is None or seconds <= 0 else int(memory),
    )


def _mean(weighed: Sequence[tuple[float, float]]) -> float | None:
    seconds = sum(weight for _, weight in weighed)
    return sum(value * weight for value, weight in weighed) / seconds if seconds > 0 else None


def _short(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 3)
