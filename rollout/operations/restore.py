"""What differs between what the store says should run and what the host part holds, and making it the same. Pure, then thin.

The store rules, with one exception: of a service in the middle of a step (its intent is written, its outcome is not) the host
part knows more, so that only what it knows nothing of at all is brought back. The next driver does that step again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rollout.errors import FencedError, RolloutError
from rollout.executor.ports import Order, Runtime
from rollout.host.known import Known
from rollout.host.ports import Attached, HostPart
from rollout.model.fleet import Placement, Release, RuntimeName
from rollout.model.move import Move
from rollout.operations.replace import order_for, why_stop_first
from rollout.operations.saying import Say
from rollout.runtimes.specs import serves

AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What the store says of a service: where which release runs (at least one place), and the move that has begun, if any."""

    places: Sequence[tuple[Placement, Release]]
    move: Move | None = None

    @property
    def release(self) -> Release:
        """One of them: for the name and the kind of the service."""
        return self.places[0][1]

    @property
    def half(self) -> bool:
        """In the middle of a step."""
        return self.move is not None and self.move.doing is not None

    @property
    def share(self) -> int:
        """V2's share of traffic in percent."""
        return next((place.weight for place, _ in self.places if place.runtime is RuntimeName.V2), 0)

    @property
    def tokens(self) -> set[str]:
        """Launches that belong to it: what is placed, and what its move makes, replaces or launches again."""
        move = self.move
        own = {move.token, f"{move.token}.back", move.source_token} if move else set()
        return own | {place.token for place, _ in self.places}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amends:
    """What makes the host part as the store says. `weight`: v2's share that the edge must be told; None: it knows."""

    placed: Placed
    fence: int
    launch: Sequence[Order] = ()
    stop: Sequence[Order] = ()
    weight: int | None = None

    @property
    def needed(self) -> bool:
        """Something differs."""
        return bool(self.launch or self.stop) or self.weight is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`started`: services of which copies were launched; `ended`: of which copies were ended that the store does not know.

    `unknown`: services that run on, and that the store places nowhere.
    """

    started: Sequence[str] = ()
    ended: Sequence[str] = ()
    unknown: Sequence[str] = ()
    problems: Sequence[str] = field(default_factory=tuple)


def unknown(placed: Collection[str], held: Iterable[Attached], busy: Callable[[str], bool]) -> list[str]:
    """Services that run on this host although the store places them nowhere. `busy`: somebody works on the service now."""
    found = {one.service for one in held if one.wanted and one.service not in placed}
    return sorted(service for service in found if not busy(service))


def amends(placed: Placed, held: Iterable[Attached], known: Known | None, fence: int) -> Amends:
    """What differs for one service. `fence` counts where the host part knows none: its records were lost."""
    number = known.fence if known else fence
    mine = [one for one in held if one.wanted or placed.half]
    missing = [(place, release) for place, release in placed.places if _is_missing(place, mine, half=placed.half)]
    strays = [] if placed.half else sorted({(one.runtime, one.token) for one in mine if one.token not in placed.tokens})
    return Amends(
        placed=placed,
        fence=number,
        launch=[order_for(release, place.runtime, place.token, fence=number) for place, release in missing],
        stop=[order_for(placed.release, side, token, fence=number) for side, token in strays],
        weight=_weight(placed, known),
    )


def _is_missing(place: Placement, held: Iterable[Attached], *, half: bool) -> bool:
    copies = sum(one.token == place.token for one in held)
    return copies == 0 if half else copies < place.replicas


def _weight(placed: Placed, known: Known | None) -> int | None:
    if not serves(placed.release.spec):
        return None
    if known is None or known.weight is None:
        return placed.share
    return placed.share if placed.move is None and known.weight != placed.share else None


def make(todo: Sequence[Amends], host: HostPart, runtimes: Mapping[RuntimeName, Runtime]) -> Restored:
    """All of it is done, service by service; what went wrong with one keeps no other from it."""
    needed = [one for one in todo if one.needed]
    problems: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: _try(one, host, runtimes, problems.append), needed))
    return Restored(
        started=[one.placed.release.service for one in needed if one.launch],
        ended=[one.placed.release.service for one in needed if one.stop],
        problems=sorted(problems),
    )


def _try(one: Amends, host: HostPart, runtimes: Mapping[RuntimeName, Runtime], problem: Say) -> None:
    try:
        _make(one, host, runtimes)
    except FencedError:
        return  # somebody has just begun to work on it: what it does is newer than what was read
    except RolloutError as error:
        problem(f"{one.placed.release.service}: {error.what}")


def _make(one: Amends, host: HostPart, runtimes: Mapping[RuntimeName, Runtime]) -> None:
    """What is missing runs, has its traffic, and only then the rest is ended; before, where two copies cannot run at once."""
    spec = one.placed.release.spec
    alone = why_stop_first(spec, spec) is not None
    if alone:
        _stop(one.stop, runtimes)
    for order in one.launch:
        runtimes[order.runtime].launch(order)
    if one.weight is not None:
        host.weigh(spec.id, spec.host_name, one.weight, one.fence)
    if not alone:
        _stop(one.stop, runtimes)


def _stop(orders: Iterable[Order], runtimes: Mapping[RuntimeName, Runtime]) -> None:
    for order in orders:
        runtimes[order.runtime].stop(order)
