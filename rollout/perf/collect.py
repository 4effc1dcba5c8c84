"""The instrument of a home: requests as the edge saw them, CPU and memory as the host part does. Readings are kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.errors import RolloutError
from rollout.executor.ports import Look
from rollout.host.usage import Used
from rollout.model.fleet import RuntimeName
from rollout.model.sample import Sample
from rollout.model.snapshot import Phase, Snapshot

EDGE = "edge access log (Envoy)"
PROCESSES = "processes of its copies (psutil)"
REMEMBERED = 20_000
SIDES = {
    Phase.BEFORE: (RuntimeName.LEGACY,),
    Phase.DURING: (RuntimeName.LEGACY, RuntimeName.V2),
    Phase.AFTER: (RuntimeName.V2,),
}


class Requests(Protocol):
    """The edge: see gates.ports.Samples."""

    def read(self, service: str, since: datetime) -> dict[RuntimeName, Sample]:
        """What the edge saw since then, per runtime."""


class Usage(Protocol):
    """The host part: see host.usage.Metered."""

    def used(self, service: str) -> Sequence[Used]:
        """What the copies of the service have used until now."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: datetime
    used: Mapping[str, Used]


class Collector:
    """Fulfils executor.measuring.Instrument.

    CPU and memory are those from this driver's first look in the period to its last: the requests are counted from the edge's
    log for the whole of it, whoever drove. What cannot be read is left out of the snapshots, and no move waits for it.
    """

    def __init__(self, requests: Requests, usage: Usage) -> None:
        self._requests = requests
        self._usage = usage
        self._begun: OrderedDict[tuple[str, str, int, int], _Reading] = OrderedDict()
        self._lock = threading.Lock()

    def watch(self, look: Look) -> None:
        """See Instrument: one reading for each period."""
        with self._lock:
            if _period(look) in self._begun:
                return
        reading = self._read(look)
        with self._lock:
            self._begun[_period(look)] = reading
            while len(self._begun) > REMEMBERED:
                self._begun.popitem(last=False)

    def measure(self, look: Look, phase: Phase, since: datetime) -> Sequence[Snapshot]:
        """See Instrument."""
        try:
            samples = self._requests.read(look.move.service, since)
        except (OSError, RolloutError):
            return ()
        with self._lock:
            begun = self._begun.get(_period(look))
        ended = self._read(look)
        return [_snapshot(look, phase, since, samples[side], _between(begun, ended, _token(look, side))) for side in SIDES[phase]]

    def _read(self, look: Look) -> _Reading:
        try:
            found = self._usage.used(look.move.service)
        except (OSError, RolloutError):
            found = ()
        return _Reading(look.now, {used.token: used for used in found})


def _token(look: Look, side: RuntimeName) -> str:
    return look.move.token if side is look.move.target else look.move.source_token


def _snapshot(look: Look, phase: Phase, since: datetime, sample: Sample, used: tuple[float | None, int | None]) -> Snapshot:
    """`used`: cores and bytes, as `_between` gives them."""
    cores, memory = used
    return Snapshot(
        move=look.move.id,
        service=look.move.service,
        runtime=sample.runtime,
        phase=phase,
        instrument=EDGE if cores is None else f"{EDGE}; {PROCESSES}",
        began=since,
        ended=look.now,
        weight=look.weight,
        requests=sample.requests,
        errors=sample.errors,
        latencies=sample.latencies,
        cpu_cores=cores,
        memory_bytes=memory,
    )


def _between(begun: _Reading | None, ended: _Reading, token: str) -> tuple[float | None, int | None]:
    """Cores that were busy, and the mean of both readings of memory."""
    last = ended.used.get(token)
    first = begun.used.get(token) if begun else None
    if last is None or last.cpu_s is None or last.memory_bytes is None:
        return None, None
    if begun is None or first is None or first.cpu_s is None or first.memory_bytes is None:
        return None, last.memory_bytes
    seconds = (ended.at - begun.at).total_seconds()
    cpu_s = last.cpu_s - first.cpu_s
    # A process that ended took its time with it: less than before is no figure.
    cores = cpu_s / seconds if seconds > 0 and cpu_s >= 0 else None
    return cores, (first.memory_bytes + last.memory_bytes) // 2


def _period(look: Look) -> tuple[str, str, int, int]:
    row = look.move
    return row.id, row.state.value, row.step, row.attempt
