"""An instrument that measures nothing: what an edge would count of services that are only said to run."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from math import exp
from statistics import NormalDist

from rollout.executor.ports import Look
from rollout.model.fleet import Kind, RuntimeName
from rollout.model.snapshot import NO_REQUESTS, Histogram, Phase, Snapshot
from rollout.perf.collect import SIDES
from rollout.perf.histogram import bucket
from rollout.runtimes.memory import MemoryHost

PER_S, MEDIAN_MS, CPU_S, BYTES = 50, 20.0, 0.002, 50_000_000
INSTRUMENT = f"simulated: {PER_S} requests/s around {MEDIAN_MS:g} ms are assumed, nothing was measured"
SHAPE = tuple(exp(0.4 * NormalDist().inv_cdf((rank + 0.5) / 100)) for rank in range(100))
"""A hundred latencies as shares of the median, as latencies usually lie: many near it, few far above."""


class MemoryInstrument:
    """Fulfils executor.measuring.Instrument.

    Requests come evenly and are shared by the weights of the period; a side is as fast, and errs, as its fault says. CPU is that
    of CPU_S for each request, memory BYTES for each copy. A worker gets no requests, as at a real edge.
    """

    def __init__(self, host: MemoryHost) -> None:
        self._host = host

    def watch(self, look: Look) -> None:
        """See Instrument: nothing runs, so nothing is to be read."""

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        """See Instrument."""
        return [self._of(look, phase, side, since) for side in SIDES[phase]]

    def _of(self, look: Look, phase: Phase, side: RuntimeName, since: datetime) -> Snapshot:
        service, fault = look.move.service, self._host.fault(look.move.service, side)
        share = look.weight if side is look.move.target else 100 - look.weight
        asked = look.release.spec.kind is Kind.HTTP and not fault.silent
        seconds = (look.now - since).total_seconds()
        requests = int(PER_S * seconds * share / 100) if asked else 0
        errors = requests if fault.errs or not self._host.healthy(service, side) else 0
        slower = 1.0 + fault.slower
        copies = self._host.running(service, side)
        return Snapshot(
            move=look.move.id,
            service=service,
            runtime=side,
            phase=phase,
            instrument=INSTRUMENT,
            began=since,
            ended=look.now,
            weight=look.weight,
            requests=requests,
            errors=errors,
            latencies=histogram(requests - errors, MEDIAN_MS * slower),
            cpu_cores=requests * CPU_S * slower / seconds if copies and seconds > 0 else None,
            memory_bytes=BYTES * sum(copy.order.replicas for copy in copies) if copies else None,
        )


@lru_cache(maxsize=1024)
def histogram(requests: int, median_ms: float) -> Histogram:
    """So many requests of the usual shape around this median."""
    if not requests:
        return NO_REQUESTS
    each, more = divmod(requests, len(SHAPE))
    counts: Counter[int] = Counter()
    total, used = 0.0, []
    for rank, share in enumerate(SHAPE):
        # What is left of a hundred is spread over all of them.
        count = each + ((rank + 1) * more // len(SHAPE) - rank * more // len(SHAPE))
        if count:
            value = median_ms * share
            counts[bucket(value)] += count
            total += count * value
            used.append(value)
    return Histogram(buckets=tuple(sorted(counts.items())), total=total, lowest=used[0], highest=used[-1])
