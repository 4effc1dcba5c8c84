"""The one place that builds what a driver acts on, from a home: journal, leases, runtimes, edge, gates, threads."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from rollout.executor.world import World, never, nothing
from rollout.model.move import Entry, Move
from rollout.model.policy import Policy
from rollout.operations.means import Means
from rollout.store.controls import Controls
from rollout.store.database import Database
from rollout.store.journal import StoreJournal
from rollout.store.progress import Progress
from rollout.store.waves import Waves
from rollout.wiring import actor
from rollout.wiring.clock import SystemClock
from rollout.wiring.home import Home, find
from rollout.wiring.in_force import policy_in_force
from rollout.wiring.noted import take_over_notes
from rollout.wiring.threads import Threads

THREADS = 16
GARBAGE = (50_000, 20, 50)
"""A driver makes many values that live for one tick; Python by itself looks through them after every 700."""
Tell = Callable[[Entry, Move], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """How what is built speaks to the person: `tell` each durable entry, `say` one line; `stop`: asked to end."""

    tell: Tell = nothing
    say: Say = nothing
    stop: Callable[[], bool] = never


SILENT = Voice()


@contextmanager
def means(home: Home | None = None, voice: Voice = SILENT, *, who: str = "") -> Iterator[Means]:
    """What operations that drive are handed, on the home that is found; store and threads are closed afterwards.

    `who` drives, where it is not the person who calls: the log names it.
    """
    gc.set_threshold(*GARBAGE)
    home = home or find()
    database = home.database()
    take_over_notes(home, start=True, say=voice.say)
    threads = Threads(THREADS, "effect")
    try:
        yield Workshop(home=home, database=database, voice=voice, threads=threads, who=who or actor.user()).means()
    finally:
        threads.close()
        database.close()


@dataclass(slots=True, kw_only=True)
class Workshop:
    """What things are built with."""

    home: Home
    database: Database
    voice: Voice
    threads: Threads
    who: str
    clock: SystemClock = field(default_factory=SystemClock)

    def means(self) -> Means:
        journal = StoreJournal(self.database, actor.now)
        return Means(
            database=self.database,
            waves=Waves(self.database),
            progress=Progress(self.database),
            controls=Controls(self.database, actor.host()),
            journal=journal,
            standing=journal,
            leases=actor.leases(self.database),
            clock=self.clock,
            user=self.who,
            holder=partial(actor.holder, who=self.who),
            alive=actor.alive,
            policy=policy_in_force(self.database),
            world=self.world,
            stop_requested=self.voice.stop,
        )

    def world(self, policy: Policy) -> World:
        """What a driver with this policy acts on."""
        from rollout.wiring.building import build  # noqa: PLC0415 (it takes a host part and more; most verbs drive nothing)

        return build(self, policy)
