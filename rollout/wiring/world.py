"""The one place that builds what a driver acts on, from a home: journal, leases, runtimes, edge, gates, threads."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rollout.executor.world import World
from rollout.model.policy import Policy
from rollout.operations.means import Means
from rollout.store.controls import Controls
from rollout.store.journal import StoreJournal
from rollout.store.progress import Progress
from rollout.store.waves import Waves
from rollout.wiring import actor
from rollout.wiring.home import Home, find
from rollout.wiring.in_force import policy_in_force
from rollout.wiring.noted import take_over_notes
from rollout.wiring.threads import Threads
from rollout.wiring.workshop import SILENT, Voice, Workshop

THREADS = 16
GARBAGE = (50_000, 20, 50)
"""A driver makes many values that live for one tick; Python by itself looks through them after every 700."""


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
        yield _means(Workshop(home=home, database=database, voice=voice, threads=threads, who=who or actor.user()))
    finally:
        threads.close()
        database.close()


def _means(workshop: Workshop) -> Means:
    database = workshop.database
    journal = StoreJournal(database, actor.now)
    return Means(
        database=database,
        waves=Waves(database),
        progress=Progress(database),
        controls=Controls(database, actor.host()),
        journal=journal,
        standing=journal,
        leases=actor.leases(database),
        clock=workshop.clock,
        user=workshop.who,
        holder=partial(actor.holder, who=workshop.who),
        alive=actor.alive,
        policy=policy_in_force(database),
        world=partial(_world, workshop),
        stop_requested=workshop.voice.stop,
    )


def _world(workshop: Workshop, policy: Policy) -> World:
    from rollout.wiring.building import build  # noqa: PLC0415 (it takes a host part and more; most verbs drive nothing)

    return build(workshop, policy)
