"""Putting one copy in the place of another on the same runtime, as a move does: healthy, then traffic, drain, stop.

A service that cannot run twice on one host is stopped first, and that is said.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from rollout.errors import BrokenError
from rollout.executor.ports import Clock, Order, Runtime
from rollout.gates.probe import Ask
from rollout.host.images import ImageShelf, NoImages
from rollout.host.ports import HostPart
from rollout.model.fleet import Kind, Placement, Release, RuntimeName, Service
from rollout.model.policy import HealthGate
from rollout.model.ports import unexpected
from rollout.operations.prove import prove
from rollout.operations.saying import Say
from rollout.runtimes.specs import serves


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The world in which instances run."""

    host: HostPart
    runtimes: Mapping[RuntimeName, Runtime]
    ask: Ask
    rules: HealthGate
    clock: Clock
    images: ImageShelf = field(default_factory=NoImages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`new` is to run in the place of what runs under `old` (None: nothing does)."""

    new: Order
    old: Order | None
    record: Callable[[Placement], None]
    """Makes the placement durable."""
    say: Say


def why_stop_first(spec: Service, old: Service, *, apart: bool = False) -> str | None:
    """Why a copy cannot run beside an old one on a host; None where it can. `apart`: it has a network of its own."""
    if spec.volumes:
        return "it has a volume, which one copy at a time may mount"
    if spec.port is not None and spec.port == old.port and not apart:
        return f"it has the fixed port {spec.port}"
    if spec.kind is Kind.TCP and not apart:
        return "two copies of a tcp service would each have their own data and connections"
    if spec.kind is Kind.WORKER:
        return "two copies of a worker could do the same work twice"
    return None


def put_in_place(live: Live, change: Change) -> None:
    """The new copy runs, is healthy, has the traffic and is recorded; nothing else of the service runs on that runtime.

    BrokenError when the new copy is not fit: the old one serves on (or was brought back, where it had to be stopped first).
    """
    live.runtimes[change.new.runtime].publish(change.new)
    old = change.old
    apart = any(one.apart for one in live.host.instances(change.new.service) if one.token == change.new.token)
    reason = why_stop_first(change.new.release.spec, old.release.spec, apart=apart) if old else None
    if old is not None and reason is not None:
        change.say(f"stops release {old.release.number} first: {reason}")
        _in_its_stead(live, change, old)
    else:
        _beside(live, change)
    _clear_away(live, change)


def _beside(live: Live, change: Change) -> None:
    """Overlap: the old copy serves until the new one does."""
    try:
        _fit(live, change.new, change.say)
    except BrokenError as error:
        raise _told(error, _serves_on(change.old)) from error
    change.record(_placement(live, change.new))
    _lead(live, change.new)


def _in_its_stead(live: Live, change: Change, old: Order) -> None:
    """The old copy is gone before the new one begins; where the new one is not fit, the old release is launched again."""
    live.runtimes[old.runtime].stop(old)
    try:
        _fit(live, change.new, change.say)
    except BrokenError as error:
        raise _told(error, _bring_back(live, change, old)) from error
    except KeyboardInterrupt:
        change.say(_bring_back(live, change, old))
        raise
    change.record(_placement(live, change.new))
    _lead(live, change.new)


def _bring_back(live: Live, change: Change, old: Order) -> str:
    """The old release is launched again, and recorded; what a person is told of it."""
    again = replace(old, token=f"{change.new.token}.back")
    try:
        live.runtimes[again.runtime].launch(again)
    except BrokenError as error:
        return f"release {old.release.number} was stopped first and does not come up again: {error.what}"
    change.record(_placement(live, again))
    return f"release {old.release.number} runs again"


def _fit(live: Live, order: Order, say: Say) -> None:
    """The copy runs and is healthy, without traffic; a port that was not expected is said.

    On BrokenError or Ctrl-C it is stopped; its log is kept.
    """
    runtime = live.runtimes[order.runtime]
    unseen = replace(order, traffic=False)
    try:
        copy = runtime.launch(unseen)
        if unexpected(copy.ports_note):
            say(copy.ports_note)
        spec = order.release.spec
        prove(lambda: runtime.inspect(order.service, order.token), spec, rules=live.rules, ask=live.ask, clock=live.clock)
    except (BrokenError, KeyboardInterrupt):
        runtime.stop(unseen)
        raise


def _lead(live: Live, order: Order) -> None:
    """Names and edge lead to the copy, and the whole traffic of the service goes to its side."""
    live.runtimes[order.runtime].launch(order)
    spec = order.release.spec
    if serves(spec):
        live.host.weigh(order.service, spec.host_name, 100 if order.runtime is RuntimeName.V2 else 0, order.fence)


def _clear_away(live: Live, change: Change) -> None:
    """Every other launch of the service on that side is drained, stopped and forgotten: the old one, and what a crash left."""
    new = change.new
    runtime = live.runtimes[new.runtime]
    held = live.host.instances(new.service)
    for token in sorted({one.token for one in held if one.runtime is new.runtime and one.token != new.token}):
        old = change.old if change.old and change.old.token == token else replace(new, token=token)
        runtime.stop(old)
        runtime.unpublish(old)


def _placement(live: Live, order: Order) -> Placement:
    return Placement(
        service=order.service,
        runtime=order.runtime,
        release=order.release.number,
        token=order.token,
        replicas=order.replicas,
        weight=100,
        since=live.clock.now(),
    )


def order_for(release: Release, runtime: RuntimeName, token: str, *, fence: int) -> Order:
    """The order that runs a release under a token; it has the health time limit, at least a minute, to come up."""
    spec = release.spec
    deadline = max(60.0, spec.health_timeout_s)
    return Order(release=release, runtime=runtime, token=token, fence=fence, replicas=spec.replicas, deadline_s=deadline)


def _serves_on(old: Order | None) -> str:
    return f"release {old.release.number} runs on, untouched" if old else "nothing of the service runs"


def _told(error: BrokenError, state: str) -> BrokenError:
    said = error.state if "\n" in error.state else ""
    return BrokenError(error.what, state=f"{state}; {said}" if said else state, then=error.then)
