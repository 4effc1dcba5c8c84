"""What the host part holds: doers of engines, edge, names and port detection. `wiring/host` hands them in."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rollout.host.rooms import Room
from rollout.model.fleet import EngineName, RestartPolicy, RuntimeName

PIDS_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSpec:
    """One instance to keep: `token` plus `replica` name it. Times in seconds. `env` holds secrets: files are 0600.

    `port`: chosen by the host part and given to the program. `port_declared` is the fixed number of the service, None where it
    obeys PORT. `direct`: the service's own name leads to the copy itself and not to the edge (kind tcp).

    `image` makes it a container; `argv` may be empty then: the image says what runs, and where. `image_id` names the image's
    content for ever, `engine` what runs it: both may be open until `images.Images` has filled them in. With `image_digest` it is
    what was published under it, else what the name stands for now. Of `memory_mb` (MiB) and `cpus` None is no limit. `read_only`:
    its root is. `volumes`: what it mounts, as its service says it. `stop_signal`: empty for the image's, else TERM.

    `network`: empty for the host's own; `none` for a namespace of its own into which the private network is patched later; else
    the path of a namespace that stands already. `dns`: what its resolv.conf names, in a namespace of its own. `own`: its IPv6
    and its IPv4 address there, while it has joined.
    """

    token: str
    replica: int
    service: str
    host_name: str
    runtime: RuntimeName
    release: int
    argv: tuple[str, ...]
    directory: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    port_declared: int | None = None
    serves: bool = True
    direct: bool = False
    health_path: str | None = None
    restart: RestartPolicy = RestartPolicy.ON_FAILURE
    restart_max: int = 3
    grace_s: float = 10.0
    engine: EngineName = EngineName.PROCESS
    image: str = ""
    image_id: str = ""
    image_digest: str = ""
    memory_mb: int | None = None
    cpus: float | None = None
    pids_max: int = PIDS_MAX
    read_only: bool = False
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    network: str = ""
    dns: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """`token.replica`, unique on a host and safe as a file name."""
        return f"{self.token}.{self.replica}"


class Phase(StrEnum):
    """What an instance does now.

    `exited` and `failed`: it ended by itself, for good. `gone`: it was stopped, or never ran. `lost`: what kept it was killed
    or the host was started again; nothing of it is believed alive.
    """

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"
    FAILED = "failed"
    GONE = "gone"
    LOST = "lost"


DOWN = frozenset({Phase.GONE, Phase.LOST})
"""Nothing of it runs, and not because it ended by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFacts:
    """What is known of an instance. `started` is psutil's create_time of `pid`: pid and it name a process for good.

    `exit_code` is the last one (negative: signal; of a container as its engine tells it: 137 for a KILL). `failed`: the
    restart policy has given up. `out_of_memory`: the kernel ended it because it was at its memory limit. `log` is a file that
    can be followed, empty where its engine keeps it.
    """

    id: str
    phase: Phase
    pid: int | None = None
    started: float | None = None
    restarts: int = 0
    exit_code: int | None = None
    log: str = ""
    out_of_memory: bool = False


class Engine(Protocol):
    """Runs instances on this host. Idempotent by the id of the spec; typed errors, never a half state."""

    def prepare(self, spec: InstanceSpec) -> None:
        """What `start` can do beforehand is done: a container is made. Nothing runs. Also for one that runs: nothing then."""

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        """The instance runs (or has ended by itself already); a second call changes nothing. `gone` and `lost` start anew."""

    def stop(self, instance: str, grace_s: float) -> None:
        """No process of the instance lives: stop signal to its group, then kill after the grace. Idempotent."""

    def facts(self, instance: str) -> InstanceFacts | None:
        """What is known; None for an unknown instance."""

    def pids(self, instance: str) -> Sequence[int]:
        """Live processes of the instance, the leader first."""

    def forget(self, instance: str) -> None:
        """Files of a stopped instance are gone."""

    def known(self) -> Sequence[str]:
        """Every instance that has not been forgotten."""

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What the edge knows of a service: addresses (`127.0.0.1:8081`) per side and v2's share in percent.

    `spares`: by its address, the port that a copy has just opened besides: asked where the address refuses. `address`: the
    service's stable address in the room of its environment, empty for one that is on the host's own network."""

    host_name: str
    legacy: tuple[str, ...]
    v2: tuple[str, ...]
    weight: int
    environment: str = ""
    address: str = ""
    spares: Mapping[str, str] = field(default_factory=dict)


class EdgeWriter(Protocol):
    """Makes the proxy do what a route says."""

    def write(self, route: Route) -> None:
        """From return on new requests follow the route. Atomic; survives a restart of the proxy."""

    def remove(self, host_name: str) -> None:
        """The proxy does not know the name. Idempotent."""

    def rooms(self, rooms: Sequence[Room]) -> None:
        """From return on the proxy serves in these rooms, and in no other; one whose namespace is gone is left out. Idempotent.
        No other room notices. One caller at a time: an older list takes a newer room away. TransientError while no proxy runs;
        RoomsRefusedError names those that cannot be served, after all others are.
        """

    def in_flight(self, addresses: Sequence[str]) -> int:
        """Requests and connections that are still open to these addresses."""

    def address(self) -> str:
        """`host:port` where the edge listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A listening TCP socket of a process. `loopback`: only reachable from within its network.
    `network`: 0 is the host's own, the others have numbers that are never given again; negative where it cannot be told."""

    pid: int
    address: str
    port: int
    loopback: bool = False
    network: int = 0


class Watch(Protocol):
    """Finds what processes listen on."""

    def listening(self) -> Collection[tuple[int, int]] | None:
        """Network and port of all that listens here, or where processes were looked at; None where that is not cheap."""

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        """All listening TCP sockets of these processes, in the order of ports."""

    def apart(self, network: str, pids: Sequence[int] = ()) -> Sequence[Listener] | None:
        """All that listens in the network namespace at this path, in the order of ports: cheap, no process is looked at.

        It is said of the first of `pids`, which are in there. None where that cannot be told, or where it is the host's own.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An instance as the host part knows it: its spec without env, its facts, and where its names and the edge lead.

    `address` is `127.0.0.1:PORT` or `[its own]:PORT`, empty while it is not attached. `note` says how the port was found.
    `wanted`: it should run; False from `stop` on. `apart`: it has a network of its own; `own`: its addresses there.
    """

    id: str
    token: str
    replica: int
    service: str
    runtime: RuntimeName
    release: int
    facts: InstanceFacts
    address: str = ""
    note: str = ""
    wanted: bool = True
    apart: bool = False
    own: tuple[str, ...] = ()


class HostPart(Protocol):
    """What callers (runtimes, edge, operations) may ask of the host part; one method is one request on its socket.

    `host/desk.py` does it with the doers above; `host/client.py` asks it over the socket; both fulfil this port. Every
    change compares `fence` with the highest number seen for the service, under that service's lock, and raises FencedError
    for a lower one. All changes are idempotent.
    """

    def hello(self) -> Mapping[str, str]:
        """`version`, `pid`, `boot`, `edge` (host:port), `dns` (host:port)."""

    def reserve(self, spec: InstanceSpec, fence: int) -> int:
        """A port for the instance is kept; the same one for the same id. Nothing runs."""

    def start(self, spec: InstanceSpec, fence: int) -> Attached:
        """The process runs under its reserved port (or has ended by itself already)."""

    def join(self, instance: str, fence: int) -> None:
        """It is in the private network of its environment: one that runs at once, another one before its first instruction.

        It joins the same way whenever it is started again. Nothing changes for one that the network does not cover.
        """

    def attach(self, instance: str, port: int, note: str, fence: int, *, traffic: bool = True, listens: bool = True) -> None:
        """Its names resolve to this port (`runtime.name.environment.internal` and `token`), the edge counts it as a copy.

        Without `traffic` the names alone: a deploy that replaces a copy on the same side proves the new one first. With
        `listens` False it is about to be started: the edge counts it as soon as it is attached again, or is seen to listen.
        """

    def detach(self, instance: str, fence: int) -> None:
        """Its names are unknown, the edge sends nothing new to it; the process is untouched."""

    def follow(self, instance: str, fence: int) -> None:
        """From now on the host part itself attaches the instance again within 1 s when its listening port changes."""

    def stop(self, instance: str, grace_s: float, fence: int) -> None:
        """Detached; no process of it lives; its files are kept for `tail` until `forget`."""

    def forget(self, instance: str, fence: int) -> None:
        """A stopped instance is unknown."""

    def instances(self, service: str | None = None) -> Sequence[Attached]:
        """All instances of a service, or all on this host."""

    def listeners(self, instance: str) -> Sequence[Listener]:
        """What its processes listen on."""

    def stranger(self, service: str, port: int) -> str:
        """Who listens on the port and is no copy of the service (`pid 4711 (nginx)`); empty where nobody does."""

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines of its log."""

    def weigh(self, service: str, host_name: str, v2_percent: int, fence: int) -> None:
        """New requests are shared by this weight; kept on disk, also without any instance."""

    def in_flight(self, service: str, runtime: RuntimeName, token: str = "") -> int:
        """Open requests and connections to the copies of that side, or to those of one launch; detached ones count too."""

    def withdraw(self, service: str, fence: int) -> None:
        """The edge does not know the service; its weight is forgotten."""


Probe = Callable[[InstanceSpec, str], str]
"""Asks an instance at an address: empty when it answers its health path (or accepts a connection), else what is wrong."""

Choose = Callable[[InstanceSpec, Sequence[Listener]], tuple[int, str] | None]
"""Which port of what an instance listens on is the service's, with a note for people; None while that cannot be said."""
