"""Services, releases and the runtime setting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from rollout.model.image import ImageDigest
from rollout.model.values import value


class Tier(StrEnum):
    """What a customer pays for; a policy gives the order of tiers."""

    TRIAL = "trial"
    HOBBY = "hobby"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class Kind(StrEnum):
    """How a service is reached: by HTTP, by a TCP port, not at all, or by the clock."""

    HTTP = "http"
    TCP = "tcp"
    WORKER = "worker"
    CRON = "cron"


class RuntimeName(StrEnum):
    """The two sides of the migration."""

    LEGACY = "legacy"
    V2 = "v2"

    @property
    def other(self) -> "RuntimeName":
        """The other side."""
        return RuntimeName.V2 if self is RuntimeName.LEGACY else RuntimeName.LEGACY


class Origin(StrEnum):
    """Who chose the runtime of a service."""

    DEFAULT = "default"
    OWNER = "owner"
    ROLLOUT = "rollout"


class EngineName(StrEnum):
    """What runs an instance. `containers`: the one that is there; where both are, Docker for legacy and Podman for v2."""

    PROCESS = "process"
    DOCKER = "docker"
    PODMAN = "podman"
    CONTAINERS = "containers"
    MEMORY = "memory"


CONTAINERS = frozenset({EngineName.DOCKER, EngineName.PODMAN, EngineName.CONTAINERS})
"""Those that run images."""


class RestartPolicy(StrEnum):
    """When an instance that ended is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on_failure"
    NEVER = "never"


@value(frozen=True, slots=True, kw_only=True)
class Setting:
    """The runtime choice of a service and its origin."""

    runtime: RuntimeName = RuntimeName.LEGACY
    origin: Origin = Origin.DEFAULT


@value(frozen=True, slots=True, kw_only=True)
class Service:
    """One workload as its owner describes it. `id` is `environment/name`; both are DNS labels.

    `port` None means that the program obeys the environment variable PORT. A `command` string is run by `/bin/sh -c`, a
    tuple is argv. Values of `env` are secrets: they leave this object only into an instance.

    Of `memory_mb` (MiB), `cpus` and `pids_max` None is no limit of its own, of `stop_signal` that of the image (else SIGTERM).
    They and `read_only` hold for each copy; plain processes keep the signal alone and are refused with the others.
    """

    name: str
    environment: str
    customer: str
    tier: Tier
    kind: Kind = Kind.HTTP
    command: str | tuple[str, ...] | None = None
    image: str | None = None
    directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str | None = None
    port: int | None = None
    health_path: str | None = None
    health_timeout_s: float = 30.0
    replicas: int = 1
    volumes: tuple[str, ...] = ()
    region: str | None = None
    restart: RestartPolicy = RestartPolicy.ON_FAILURE
    restart_max: int = 3
    draining_s: float = 10.0
    cron: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    engine: EngineName | None = None
    memory_mb: int | None = None
    cpus: float | None = None
    pids_max: int | None = None
    read_only: bool = False
    stop_signal: str | None = None

    @property
    def id(self) -> str:
        """`environment/name`, unique in a fleet."""
        return f"{self.environment}/{self.name}"

    def engine_of(self, usual: EngineName) -> EngineName:
        """What runs it: its own engine, else the home's; an image without a command is no plain process."""
        if self.engine is None and usual is EngineName.PROCESS and self.image and not self.command:
            return EngineName.CONTAINERS
        return self.engine or usual

    @property
    def host_name(self) -> str:
        """The name by which the edge and the private network know the service."""
        return f"{self.name}.{self.environment}.internal"


@value(frozen=True, slots=True, kw_only=True)
class Release:
    """What a service runs: made by a deploy, numbered from 1 within its service, never changed afterwards.

    `image`: what the name of its image stood for then, for ever; None for a command, and where nothing real runs.
    """

    service: str
    number: int
    created: datetime
    created_by: str
    spec: Service
    image: ImageDigest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """An owner stays on legacy until it expires (None: with no end). `blocker`: what has to be solved first."""

    service: str
    reason: str
    owner: str
    created: datetime
    expires: datetime | None = None
    blocker: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires

    @property
    def end(self) -> str:
        """`until 2026-12-24`, in UTC, with the time where that is not far from its beginning; or `with no end`."""
        if self.expires is None:
            return "with no end"
        near = self.expires - self.created < timedelta(days=1)
        return f"until {self.expires:%Y-%m-%d %H:%M} UTC" if near else f"until {self.expires.date()}"

    @property
    def told(self) -> str:
        """`by ann until 2026-12-24: a trade fair (blocker: OPS-12)`."""
        blocker = f" (blocker: {self.blocker})" if self.blocker else ""
        return f"by {self.owner} {self.end}: {self.reason}{blocker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A service that fell back or was reverted: not planned again until release or health settings change, or a retry.

    `fingerprint` is the hash of release and health settings at the time of the block.
    """

    service: str
    reason: str
    created: datetime
    fingerprint: str


@value(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a release of a service runs, and the share of traffic (0..100 %) that it gets there.

    `token` names the launch that made it: instances of it are found again by this token.
    """

    service: str
    runtime: RuntimeName
    release: int
    token: str
    replicas: int
    weight: int
    since: datetime


@value(frozen=True, slots=True, kw_only=True)
class Footing:
    """What one service stands on: what should run where, its setting, and by number the releases that run and the newest."""

    placements: tuple[Placement, ...] = ()
    setting: Setting = field(default_factory=Setting)
    releases: Mapping[int, Release] = field(default_factory=dict)

    @property
    def newest(self) -> Release | None:
        """The newest release; None where it was never deployed."""
        return self.releases[max(self.releases)] if self.releases else None
