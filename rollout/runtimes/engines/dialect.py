"""In what container engines differ, and what all of them tell of a container."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName
from rollout.model.volumes import Mount

LOG_BYTES = 1_000_000
"""The size at which the log of a container is cut, as that of a process."""
CPU_PERIOD_US = 100_000
MIB = 1024**2
NEEDLESS = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
"""Capabilities that Docker gives and Podman does not: with them dropped a copy may do the same on both."""
IPV6_ON = {"net.ipv6.conf.all.disable_ipv6": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A container as its engine tells it. `pid` is that of its first process on this host, 0 where it does not run.

    `live`: it runs, or its engine is about to start it again. `begun`: it has run at least once. `ended`: when it ended last,
    0 where it never has, in seconds of the clock that `time.time` reads.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    begun: bool = True
    pid: int = 0
    exit_code: int | None = None
    out_of_memory: bool = False
    restarts: int = 0
    container: str = ""
    ended: float = 0.0


class Dialect(Protocol):
    """How one engine is spoken to."""

    name: EngineName
    prefix: str
    ended: tuple[str, str]
    """What the event is called when a container has ended, and its attribute that is the exit code."""

    def body(self, spec: InstanceSpec, name: str, labels: Mapping[str, str]) -> Mapping[str, object]:
        """What creates the container of this instance, with those labels, in the network that its spec names.

        `name` is the container's own.
        """

    def resolver(self, spec: InstanceSpec) -> str:
        """What its resolv.conf must say; empty where the engine writes it by itself."""

    def mounting(self, body: Mapping[str, object], mounts: Sequence[Mount]) -> Mapping[str, object]:
        """The body of a container that has these mounted too; all their sources are there."""

    def seen(self, told: Mapping[str, Any]) -> Seen:
        """From the engine's own words on a container."""

    def until(self, now: float) -> Mapping[str, str]:
        """Parameters by which a list of events ends, and is not waited for."""

    def image_id(self, told: Mapping[str, Any]) -> str:
        """From the engine's own words on an image: what names its content for ever."""

    def fetch(self, image: str) -> str:
        """The command that brings an image to this engine."""


def search(spec: InstanceSpec) -> list[str]:
    """Where a name without a dot is looked for: among the services of its environment."""
    return [spec.host_name.partition(".")[2]]


def state(told: Mapping[str, Any], *, restarts: int, labels: Mapping[str, str] | None) -> Seen:
    """What Docker and Podman tell alike."""
    found = told["State"]
    status = str(found["Status"])
    runs = bool(found["Running"])
    made = status in {"created", "configured", "initialized"}  # also while it is being started again
    begun = not made or restarts > 0
    return Seen(
        labels=labels or {},
        live=runs or bool(found.get("Restarting")) or status in {"restarting", "paused", "stopping"} or (made and begun),
        begun=begun,
        pid=int(found["Pid"]) if runs else 0,
        exit_code=int(found["ExitCode"]) if begun and not runs else None,
        out_of_memory=bool(found.get("OOMKilled")),
        restarts=restarts,
        container=str(told["Id"]),
        ended=_time(str(found.get("FinishedAt", ""))),
    )


def _time(text: str) -> float:
    """Engines write nanoseconds, and the year 1 for never."""
    with contextlib.suppress(ValueError):
        return max(0.0, datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())
    return 0.0
