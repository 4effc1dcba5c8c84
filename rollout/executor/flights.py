"""Effects in flight: what runs them, and what came of each."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from datetime import datetime

from rollout.errors import BrokenError, FencedError, RolloutError
from rollout.executor.actions import Case, Seen, worst
from rollout.executor.asking import Asking
from rollout.executor.observe import observe, tail
from rollout.executor.ports import Clock, Spawn
from rollout.executor.steps import Task, blames, effect
from rollout.executor.world import World
from rollout.model.fleet import Release
from rollout.model.move import Move
from rollout.model.values import field, value
from rollout.model.verdict import Outcome


@value(frozen=True, slots=True, kw_only=True)
class Done:
    """The effect has ended well. `evidence`: what is noted of it."""

    step: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@value(frozen=True, slots=True, kw_only=True)
class Failed:
    """The service could not be run: the move has failed."""

    step: str
    reason: str
    log: tuple[str, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Hindered:
    """The tool or its environment could not do it: tried again later."""

    reason: str


@value(frozen=True, slots=True, kw_only=True)
class Lost:
    """Another driver has the service."""

    reason: str


Landing = Seen | Done | Failed | Hindered | Lost


@value(frozen=True, slots=True)
class Over:
    """What has run at once, in the place of a future."""

    found: object

    def done(self) -> bool:
        """Yes."""
        return True

    def result(self) -> object:
        """What came of it."""
        return self.found

    def cancel(self) -> bool:
        """It is too late for that."""
        return False


@value(frozen=True, slots=True, kw_only=True)
class Flight:
    """One effect or look that runs. `recalled`: an event has changed the row meanwhile, its outcome means nothing."""

    row: Move
    step: str | None
    future: "Future[object] | Over"
    asking: Asking | None = None
    recalled: bool = False


class Flights:
    """All that runs now, by move."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._flying: dict[str, Flight] = {}
        self._unanswered: dict[tuple[str, str], tuple[Future[object] | Over, datetime]] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def ids(self) -> set[str]:
        """The moves that fly."""
        return set(self._flying)

    def start(self, row: Move, step: str, job: Callable[[], object], *, at_once: bool = False) -> None:
        """The effect runs; where it is one that ends at once, it has run."""
        self._flying[row.id] = Flight(row=row, step=step, future=Over(job()) if at_once else self._spawn(job))

    def look(self, row: Move, clock: Clock, job: Callable[[Asking], object], *, at_once: bool = False) -> None:
        """The look runs. Whom an earlier look at this move still waits for is not asked."""
        owed = {key: found for key, found in self._unanswered.items() if not found[0].done()}
        self._unanswered = owed
        asking = Asking(clock, {whom: since for (move, whom), (_, since) in owed.items() if move == row.id})
        future = Over(job(asking)) if at_once else self._spawn(lambda: job(asking))
        self._flying[row.id] = Flight(row=row, step=None, future=future, asking=asking)

    def row(self, move: str) -> Move | None:
        """The row of a move that flies."""
        flight = self._flying.get(move)
        return flight.row if flight else None

    def recall(self, row: Move, *, fully: bool) -> None:
        """This is the row of a move now, which may fly; `fully`: what comes back of its effect means nothing any more."""
        flight = self._flying.get(row.id)
        if flight is not None:
            self._flying[row.id] = replace(flight, row=row, recalled=fully or flight.recalled)

    def overdue(self, is_late: Callable[[Move], bool]) -> list[Move]:
        """Moves whose effect does not come back in time; they fly no more, whatever still comes of it."""
        late = [f for f in self._flying.values() if f.step is not None and not f.future.done() and is_late(f.row)]
        for flight in late:
            self._let_go(flight)
        return [flight.row for flight in late]

    def unanswered(self, now: datetime, limit_s: float) -> list[Move]:
        """Moves whose look waits for one answer for longer than `limit_s`; they fly no more, and can be looked at without it."""
        late: list[Move] = []
        for flight in list(self._flying.values()):
            asked = flight.asking.overdue(now, limit_s) if flight.asking and not flight.future.done() else None
            if asked is not None:
                self._unanswered[flight.row.id, asked[0]] = (flight.future, asked[1])
                self._let_go(flight)
                late.append(flight.row)
        return late

    def drop_looks(self) -> None:
        """No look flies any more: it changes nothing, and nobody waits for what it finds."""
        for flight in [flight for flight in self._flying.values() if flight.asking is not None]:
            self._let_go(flight)

    def _let_go(self, flight: Flight) -> None:
        del self._flying[flight.row.id]
        if flight.asking is not None:
            flight.asking.drop()
        flight.future.cancel()

    def landed(self) -> list[tuple[Move, Landing | None]]:
        """What has come back: rows with what came of them, None where it means nothing any more."""
        back = [flight for flight in self._flying.values() if flight.future.done()]
        for flight in back:
            del self._flying[flight.row.id]
        return [(flight.row, None if flight.recalled else _landing(flight)) for flight in back]

    def wait(self, seconds: float) -> None:
        """Until one has come back, at most so long."""
        futures = [flight.future for flight in self._flying.values()]
        running = [future for future in futures if isinstance(future, Future)]
        if len(running) == len(futures):
            wait(running, timeout=seconds, return_when=FIRST_COMPLETED)


def _landing(flight: Flight) -> Landing:
    result = flight.future.result()
    if not isinstance(result, (Seen, Done, Failed, Hindered, Lost)):
        raise BrokenError(f"an effect of {flight.row.id} came back with {result!r}")
    return result


def look(world: World, case: Case, release: Release | None, asking: Asking, *, ended: Move | None = None) -> Landing:
    """A look as a job; `ended`: the row as it was in a period that is still to be measured."""
    now = world.clock.now()
    try:
        return observe(world, case.row, release, now, final=case.late(), probe=case.probes(), asking=asking, ended=ended)
    except FencedError as error:
        return Lost(reason=error.what)


def target_is_healthy(world: World, row: Move, release: Release | None, patience_s: float) -> bool:
    """Whether the target runs and every gate that is asked passes it, within so many seconds."""
    asking = Asking(world.clock)
    found = world.spawn(lambda: observe(world, row, release, world.clock.now(), asking=asking))
    wait([found], timeout=patience_s)
    if not found.done():
        asking.drop()
        found.cancel()
        return False
    seen = found.result()
    if not isinstance(seen, Seen) or seen.broken or seen.target is None:
        return False
    return seen.target.alive and worst(seen.verdicts) is Outcome.PASS


def run(world: World, task: Task, stored: str) -> Landing:
    """An effect as a job: it ends well, or it is the service's failure, or the tool's, or another driver's turn."""
    try:
        noted = effect(stored)(world, task)
    except FencedError as error:
        return Lost(reason=error.what)
    except RolloutError as error:
        reason = world.mask(error.what)
        if error.retry or not blames(stored):
            return Hindered(reason=f"{stored}: {reason}")
        return Failed(step=stored, reason=reason, log=_log(world, task, error))
    except Exception as error:  # noqa: BLE001 (an adapter that breaks in an unforeseen way is no fault of the service)
        return Hindered(reason=f"{stored}: unexpected {type(error).__name__}: {world.mask(str(error))}")
    return Done(step=stored, evidence=noted or {})


def _log(world: World, task: Task, error: RolloutError) -> tuple[str, ...]:
    found = tail(world, task.row)
    return found or tuple(world.mask(line) for line in error.state.splitlines())
