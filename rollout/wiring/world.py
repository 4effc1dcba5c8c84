"""The one place that builds what a driver acts on, from a home: journal, leases, runtimes, edge, gates, threads."""

import gc
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from rollout.executor.world import World, never, nothing
from rollout.model.fleet import EngineName, Footing, RuntimeName
from rollout.model.masking import mask
from rollout.model.move import Entry, Move
from rollout.model.policy import Policy
from rollout.operations.means import Means
from rollout.store.controls import Controls
from rollout.store.database import Database
from rollout.store.journal import StoreJournal
from rollout.store.progress import Progress
from rollout.store.services import Services
from rollout.store.waves import Waves
from rollout.wiring import actor
from rollout.wiring.clock import SystemClock
from rollout.wiring.engines import AnyEdge, AnyGate, AnyInstrument, AnyRuntime, Parts, engine_of
from rollout.wiring.home import Home, find
from rollout.wiring.led_back import take_over_notes
from rollout.wiring.live import default_engine, policy_in_force
from rollout.wiring.memory import MemoryEngine
from rollout.wiring.preconditions import Preconditions
from rollout.wiring.processes import process_parts
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
        yield _Workshop(home=home, database=database, voice=voice, threads=threads, who=who or actor.user()).means()
    finally:
        threads.close()
        database.close()


@dataclass(slots=True, kw_only=True)
class _Workshop:
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
        journal = StoreJournal(self.database, actor.now)
        parts = PartsOfHome(self, journal, policy)
        health = AnyGate("health", parts, proves=True)
        traffic = [AnyGate("traffic", parts, proves=False)] if policy.traffic is not None else []
        performance = [AnyGate("performance", parts, proves=False)] if policy.performance is not None else []
        preconditions = Preconditions(self.database, actor.now)
        return World(
            clock=self.clock,
            journal=journal,
            standing=journal,
            leases=actor.leases(self.database),
            runtimes={name: AnyRuntime(name, parts) for name in RuntimeName},
            edge=AnyEdge(parts),
            gates=[health, *traffic],
            comparing=performance,
            instrument=AnyInstrument(parts),
            policy=policy,
            spawn=self.threads.submit,
            tell=self.voice.tell,
            stop_requested=self.voice.stop,
            stale=preconditions.stale,
            meet=parts.meet,
            at_once=parts.at_once,
            mask=parts.mask,
        )


class PartsOfHome:
    """Finds the parts for a service by its engine, and gathers the secrets of every service that it is asked about."""

    def __init__(self, workshop: _Workshop, journal: StoreJournal, policy: Policy) -> None:
        self._workshop = workshop
        self._journal = journal
        self._policy = policy
        self._usual = default_engine()
        self._services = Services(workshop.database, workshop.home.keyed_hash, actor.now)
        self._memory = MemoryEngine(workshop.clock, policy)
        self._processes: Parts | None = None
        self._engines: dict[str, EngineName] = {}
        self._known: dict[str, Parts] = {}
        self._secrets: set[str] = set()
        self._unread: set[str] = set()
        self._lock = threading.Lock()

    def meet(self, footings: Mapping[str, Footing]) -> None:
        """Told of services before they are driven: nothing more is read for each of them alone."""
        with self._lock:
            for service, footing in footings.items():
                self._learn(service, footing)

    def at_once(self, service: str) -> bool:
        """Effects in memory end at once, unless they are told to hang."""
        return service in self._memory.at_once

    def __call__(self, service: str) -> Parts:
        """The parts for this service: in memory, or of this host, whose host part knows all other engines."""
        known = self._known.get(service)
        if known is None:
            known = self._known[service] = self._parts(service)
        return known

    def _parts(self, service: str) -> Parts:
        with self._lock:
            engine = self._engine(service)
            if engine is EngineName.MEMORY:
                return self._memory.parts
            if self._processes is None:
                workshop = self._workshop
                self._processes = process_parts(workshop.home, self._policy, workshop.clock, workshop.voice.say)
            return self._processes

    def mask(self, text: str) -> str:
        """The text without the secrets of the services that were touched; those are read when there is a text to mask."""
        with self._lock:
            self._secrets |= self._services.secrets(self._unread)
            self._unread.clear()
            return mask(text, self._secrets)

    def _engine(self, service: str) -> EngineName:
        if service not in self._engines:
            self._learn(service, self._journal.footings_of([service])[service])
        return self._engines[service]

    def _learn(self, service: str, footing: Footing) -> None:
        self._engines[service] = engine = engine_of(footing.newest, self._usual)
        self._known.pop(service, None)
        self._unread.add(service)
        if engine is EngineName.MEMORY:
            self._memory.adopt(service, footing)
