"""What things are built with: a home, its store, threads, and how what is built speaks to the person."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.executor.world import never, nothing
from rollout.model.move import Entry, Move
from rollout.operations.saying import Say, quiet
from rollout.store.database import Database
from rollout.wiring.clock import SystemClock
from rollout.wiring.home import Home
from rollout.wiring.threads import Threads

Tell = Callable[[Entry, Move], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How what is built speaks to the person: `tell` each durable entry, `say` one line; `stop`: asked to end."""

    tell: Tell = nothing
    say: Say = quiet
    stop: Callable[[], bool] = never


SILENT = Voice()


@dataclass(slots=True, kw_only=True)
class Workshop:
    """What things are built with."""

    home: Home
    database: Database
    voice: Voice
    threads: Threads
    who: str
    clock: SystemClock = field(default_factory=SystemClock)
