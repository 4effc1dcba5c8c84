"""What instances use of the host: a port of its own, and how the desk answers it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """All live processes of one launch. `cpu_s`: seconds of CPU since they began, with those of children that have ended and
    were waited for; `memory_bytes`: resident memory, what processes share is counted for each. Both None where that cannot be
    told, with the reason in `why_not`."""

    token: str
    processes: int
    cpu_s: float | None = None
    memory_bytes: int | None = None
    why_not: str = ""


class Meter(Protocol):
    """Reads processes."""

    def read(self, token: str, pids: Sequence[int]) -> Used:
        """What these processes have used until now; one that has ended meanwhile adds nothing."""


class Metered(Protocol):
    """What callers may ask of the host part about use; it changes nothing."""

    def used(self, service: str) -> Sequence[Used]:
        """What every launch of the service that runs has used until now; nothing for an unknown service."""


class MemoryMeter:
    """Fulfils Meter. `figures`: CPU seconds and bytes by process, set by tests; of any other it says that it cannot tell."""

    def __init__(self) -> None:
        self.figures: dict[int, tuple[float, int]] = {}

    def read(self, token: str, pids: Sequence[int]) -> Used:
        """The sum over those that are known."""
        return _added_up(token, [self.figures[pid] for pid in pids if pid in self.figures], "in memory no process runs")


class ProcessMeter:
    """Fulfils Meter by psutil."""

    def read(self, token: str, pids: Sequence[int]) -> Used:
        """The sum over those that run; no figure where one of them may not be read, for it would be too small."""
        try:
            found = [figures for pid in pids if (figures := _of(pid)) is not None]
        except psutil.AccessDenied as error:
            return _added_up(token, [], f"this system does not let process {error.pid} be read")
        return _added_up(token, found, "none of its processes runs any more")


def _added_up(token: str, found: Sequence[tuple[float, int]], why_not: str) -> Used:
    """`why_not`: what is said where there is nothing to add up."""
    if not found:
        return Used(token=token, processes=0, why_not=why_not)
    cpu_s, memory = sum(cpu for cpu, _ in found), sum(size for _, size in found)
    return Used(token=token, processes=len(found), cpu_s=cpu_s, memory_bytes=memory)


def _of(pid: int) -> tuple[float, int] | None:
    """None for one that has ended; psutil.AccessDenied where it may not be read."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            return times.user + times.system + ended, process.memory_info().rss
    except psutil.NoSuchProcess:
        return None


def by_launch(tokens: Sequence[tuple[str, str]], pids: Callable[[str], Sequence[int]], meter: Meter) -> list[Used]:
    """For each token the use of all its instances: `tokens` are pairs of token and instance."""
    launches: dict[str, list[int]] = {}
    for token, instance in tokens:
        launches.setdefault(token, []).extend(pids(instance))
    return [meter.read(token, found) for token, found in launches.items() if found]
