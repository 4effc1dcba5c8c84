"""What the engine needs from the world. Every port has an in-memory implementation and one contract suite.

The engine imports no adapter; `wiring` hands these in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from rollout.model.fleet import Placement, Release, RuntimeName, Setting
from rollout.model.lease import Lease
from rollout.model.state import Entry, Move, State
from rollout.model.verdict import Verdict


class Clock(Protocol):
    """Time as an argument: real, or virtual in tests and simulation. All times are aware and in UTC."""

    def now(self) -> datetime:
        """The present time."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; a virtual clock leaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a runtime is asked to run: a release under a token, on behalf of a fence number. Times in seconds.

    Without `traffic` the edge does not count the copies until they are launched again, under the same token, with it.
    """

    release: Release
    runtime: RuntimeName
    token: str
    fence: int
    replicas: int = 1
    deadline_s: float = 120.0
    traffic: bool = True

    @property
    def service(self) -> str:
        """Id of the service."""
        return self.release.service


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What runs under a token. `healthy_process`: every replica's process lives. Restarts are counted since launch."""

    service: str
    runtime: RuntimeName
    token: str
    running: int
    wanted: int
    restarts: int = 0
    addresses: tuple[str, ...] = ()
    ports_note: str = ""
    exit_code: int | None = None

    @property
    def alive(self) -> bool:
        """All wanted replicas run."""
        return self.running >= self.wanted > 0


class Runtime(Protocol):
    """One of the two sides. Every call is idempotent by token, safe after half of itself, and carries the fence.

    Raises FencedError when a higher fence number has been seen for the service, HostGoneError when the host part does not
    answer, BrokenError when the workload cannot be run (with its last output as `state`).
    """

    def publish(self, order: Order) -> None:
        """What the release needs is on the host."""

    def unpublish(self, order: Order) -> None:
        """What only this order needed is gone."""

    def launch(self, order: Order) -> Copy:
        """All replicas run and can be reached by their own names. No traffic yet."""

    def inspect(self, service: str, token: str) -> Copy | None:
        """What runs under the token now; None where nothing does."""

    def stop(self, order: Order) -> None:
        """Nothing runs under the token, names are withdrawn. Waits for the service's draining seconds, then kills."""

    def tail(self, service: str, token: str, lines: int = 50) -> Sequence[str]:
        """The last lines that the copy wrote."""


class Edge(Protocol):
    """The proxy. Weights are percent of traffic per runtime and add up to 100."""

    def weigh(self, service: str, weights: Mapping[RuntimeName, int], fence: int) -> None:
        """From return on, new requests are shared by these weights. Idempotent."""

    def in_flight(self, service: str, runtime: RuntimeName) -> int:
        """Requests and connections that the copies of that side still work on."""

    def withdraw(self, service: str, fence: int) -> None:
        """The edge does not know the service any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a gate is shown: the move, what runs on each side, and since when this state holds."""

    move: Move
    release: Release
    source: Placement | None
    target_token: str
    since: datetime
    now: datetime
    weight: int


class Gate(Protocol):
    """A check of one move at one time. It never raises for a bad service; a broken check is the verdict `error`."""

    name: str

    def look(self, look: Look) -> Verdict:
        """One look; it may take as long as its own time limit."""


class ControlKind(StrEnum):
    """Rows that a person writes and every tick reads again."""

    PAUSE = "pause"
    FREEZE = "freeze"
    APPROVAL = "approval"
    OUT_OF_ORDER = "out_of_order"
    LIMIT = "limit"
    RESUME_BUDGET = "resume_budget"
    ABORT = "abort"
    FAIL = "fail"
    REVERT = "revert"
    OWNER = "owner"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One row of control. `subject`: `*`, `wave-3`, or a service id. A verb is `taken` by the driver that obeys it."""

    id: int
    kind: ControlKind
    subject: str
    actor: str
    reason: str
    at: datetime
    until: datetime | None = None
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a commit changes beside journal and row, in the same transaction."""

    place: tuple[Placement, ...] = ()
    unplace: tuple[tuple[str, RuntimeName], ...] = ()
    setting: tuple[str, Setting] | None = None
    block: tuple[str, str] | None = None
    unblock: str | None = None
    taken: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One entry, the row that it leads to, and its effects."""

    entry: Entry
    row: Move
    effects: Effects = field(default_factory=Effects)


class Journal(Protocol):
    """The store as the engine sees it. Every commit checks its lease in the same transaction (the fence)."""

    def moves(self, wave: int, states: Iterable[State] | None = None) -> Sequence[Move]:
        """The current rows of a wave."""

    def due(self, wave: int, now: datetime, limit: int) -> Sequence[Move]:
        """Rows that are not final and whose time has come, oldest first."""

    def next_due(self, wave: int) -> datetime | None:
        """When the next row is due; None when none waits for a time."""

    def commit(self, lease: Lease, writes: Sequence[Write]) -> None:
        """All of them or none, durable on return. FencedError when the lease is no longer ours."""

    def controls(self, wave: int) -> Sequence[Control]:
        """Rows that bear on this wave and have not ended: of the fleet, of the wave, of its services."""

    def release(self, service: str, number: int | None = None) -> Release | None:
        """A release, by default the newest."""

    def placements(self, service: str) -> Sequence[Placement]:
        """What should run where."""

    def setting(self, service: str) -> Setting:
        """The setting as it is now."""


class Leases(Protocol):
    """Who drives."""

    def take(self, subject: str, doing: str) -> Lease:
        """A new lease with the next number; LockedError with all that is known of a live holder."""

    def renew(self, lease: Lease) -> Lease:
        """Heartbeat; FencedError when somebody has taken it over."""

    def give_back(self, lease: Lease) -> None:
        """The subject is free. Idempotent."""


Spawn = Callable[[Callable[[], object]], "Future[object]"]
"""Runs an effect: in a thread, or at once in virtual time."""
