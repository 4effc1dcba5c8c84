"""What the engine needs from the world. Every port has an in-memory implementation and one contract suite."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from rollout.executor.crowd import Crowd
from rollout.model.fleet import Footing, Placement, Release, RuntimeName, Setting
from rollout.model.lease import Holder, Lease
from rollout.model.move import Entry, Move
from rollout.model.snapshot import Snapshot
from rollout.model.state import State
from rollout.model.values import field, value
from rollout.model.verdict import Verdict

LEASE_S = 15.0


class Clock(Protocol):
    """Time as an argument: real, or virtual in tests and simulation. All times are aware and in UTC."""

    def now(self) -> datetime:
        """The present time."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; a virtual clock leaps."""


@value(frozen=True, slots=True, kw_only=True)
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


@value(frozen=True, slots=True, kw_only=True)
class Copy:
    """What runs under a token. Restarts are counted since launch. What `launch` returns is timed, where it started processes:
    `launched_s` until all listened (without a port: ran), `discoverable_s` until names and edge led to them."""

    service: str
    runtime: RuntimeName
    token: str
    running: int
    wanted: int
    restarts: int = 0
    addresses: tuple[str, ...] = ()
    ports_note: str = ""
    exit_code: int | None = None
    launched_s: float | None = field(default=None, compare=False)
    discoverable_s: float | None = field(default=None, compare=False)

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
        """Nothing runs under the token, names are withdrawn; nothing to do where nothing runs. First nothing new reaches the
        copy, then what is in flight may end within the service's draining seconds, then it is told to stop, then killed."""

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


@value(frozen=True, slots=True, kw_only=True)
class Look:
    """What a gate is shown: a move, and the `side` of it that is looked at, with the token of its copy.

    `since`: when the present state or traffic step began (of the source: when falling back began). `weight`: v2's share in
    percent. `final`: no further look is granted; with `probe` the gate may send requests of its own to both sides.
    """

    move: Move
    release: Release
    side: RuntimeName
    token: str
    since: datetime
    now: datetime
    weight: int
    final: bool = False
    probe: bool = False


class Gate(Protocol):
    """A check of one copy at one time. It never raises for a bad service; a broken check is the verdict `error`.

    `proves`: it can judge a copy by itself, without traffic from outside; such gates are asked before any traffic and of the
    source before a fallback, the others only while traffic is shifted. Before traffic (`weight` 0), a copy that does not
    answer yet is `inconclusive` until the service's health time limit; `fail` is final.
    """

    name: str
    proves: bool

    def absent(self, release: Release) -> str | None:
        """Why it cannot apply to such a service ("a worker has no port"); None where it applies."""

    def look(self, look: Look) -> Verdict:
        """One short look. `inconclusive`: not enough seen yet, look again."""


class ControlKind(StrEnum):
    """Rows that a person writes and every tick reads again.

    Standing ones hold until they end: pause (`*`, wave or service), freeze, approval (one row each; of a wave), out_of_order,
    limit (value `total=5,per_customer=1,per_environment=2`), resume_budget (failures before it no longer count).
    Verbs are obeyed once by the driver, which marks them taken: abort (wave or service), fail, revert (service or wave),
    owner (value `pin`, `deploy`, `stop` or `remove`), approve (service).
    """

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


@value(frozen=True, slots=True, kw_only=True)
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
    host: str = ""


@value(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a commit changes beside journal and row, in the same transaction. `weigh` changes placements that are there."""

    place: tuple[Placement, ...] = ()
    weigh: tuple[tuple[str, RuntimeName, int], ...] = ()
    unplace: tuple[tuple[str, RuntimeName], ...] = ()
    setting: tuple[str, Setting] | None = None
    block: tuple[str, str] | None = None
    snapshots: Sequence[Snapshot] = ()


NONE = Effects()


@value(frozen=True, slots=True, kw_only=True)
class Write:
    """One entry, the row that it leads to, and its effects. `row.seq` is one more than that of the row before."""

    entry: Entry
    row: Move
    effects: Effects = NONE


@value(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes: entries in order, verbs that are obeyed, and when rows are to be looked at again.

    `beside`: what was in flight in other waves when moves of this batch were let begin; None where none begins.
    """

    writes: Sequence[Write] = ()
    taken: Sequence[int] = ()
    later: Mapping[str, datetime] = field(default_factory=dict)
    beside: Crowd | None = None


class Journal(Protocol):
    """The store as the engine writes it. Every commit checks its lease in the same transaction (the fence)."""

    def moves(
        self, wave: int, states: Iterable[State] | None = None, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Move]:
        """The current rows of a wave whose position is greater than `after`, by position; at most `limit`."""

    def counts(self, wave: int) -> Mapping[State, int]:
        """How many rows of the wave stand in each state."""

    def due(self, wave: int, now: datetime, limit: int, besides: Container[str] = ()) -> Sequence[Move]:
        """The first `limit` rows in their midst whose time has come, oldest first, without those that the driver has in hand."""

    def next_due(self, wave: int, after: datetime) -> datetime | None:
        """The next time later than `after` at which a row is due; None when none waits for a time."""

    def move(self, id: str) -> Move | None:
        """One row."""

    def beside(self, wave: int) -> Crowd:
        """What is in flight in all other waves."""

    def commit(self, lease: Lease, batch: Batch) -> None:
        """All of it or nothing, durable on return.

        FencedError when the lease is no longer ours; TakenError with the services whose rows another driver has written,
        or holds a newer lease on; ClashError with the services that have another live move; CrowdedError when more is in
        flight in other waves than the batch knows of.
        """


class Standing(Protocol):
    """What the engine reads beside the rows."""

    def controls(self, wave: int) -> Sequence[Control]:
        """Rows that bear on this wave and have not ended: of the fleet, of the wave, of its services; oldest first."""

    def release(self, service: str, number: int | None = None) -> Release | None:
        """A release, by default the newest."""

    def placements(self, service: str) -> Sequence[Placement]:
        """What should run where."""

    def setting(self, service: str) -> Setting:
        """The setting as it is now."""

    def settings_of(self, services: Sequence[str]) -> Mapping[str, Setting]:
        """The settings of all of these as they are now, read at once."""

    def footings_of(self, services: Sequence[str]) -> Mapping[str, Footing]:
        """Of every one of these services what it stands on now, read at once."""


class Leases(Protocol):
    """Who drives. Leases last LEASE_S seconds after a heartbeat."""

    def take(self, subject: str, holder: Holder) -> Lease:
        """A new lease with the next number.

        LockedError with all that is known of a live holder. One that expired or whose process is dead is taken over.
        """

    def renew(self, lease: Lease) -> Lease:
        """Heartbeat; FencedError when somebody has taken it over."""

    def give_back(self, lease: Lease) -> None:
        """The subject is free. Idempotent."""

    def held(self) -> Sequence[Lease]:
        """All leases that have not expired, by number."""


Spawn = Callable[[Callable[[], object]], "Future[object]"]
"""Runs an effect: in a thread, or at once in virtual time."""
