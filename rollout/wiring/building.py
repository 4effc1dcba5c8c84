"""What a driver acts on: runtimes, edge and gates of every engine. Loaded by what drives; `world` hands it out."""

import threading
from collections.abc import Mapping

from rollout.executor.world import World
from rollout.model.fleet import EngineName, Footing, RuntimeName
from rollout.model.masking import mask
from rollout.model.policy import Policy
from rollout.store.journal import StoreJournal
from rollout.store.services import Services
from rollout.wiring import actor
from rollout.wiring.engines import AnyEdge, AnyGate, AnyInstrument, AnyRuntime, Parts, engine_of
from rollout.wiring.in_force import default_engine
from rollout.wiring.memory import MemoryEngine
from rollout.wiring.preconditions import Preconditions
from rollout.wiring.processes import process_parts
from rollout.wiring.workshop import Workshop


def build(workshop: Workshop, policy: Policy) -> World:
    """What a driver with this policy acts on."""
    journal = StoreJournal(workshop.database, actor.now)
    parts = PartsOfHome(workshop, journal, policy)
    health = AnyGate("health", parts, proves=True)
    traffic = [AnyGate("traffic", parts, proves=False)] if policy.traffic is not None else []
    performance = [AnyGate("performance", parts, proves=False)] if policy.performance is not None else []
    preconditions = Preconditions(workshop.database, actor.now)
    return World(
        clock=workshop.clock,
        journal=journal,
        standing=journal,
        leases=actor.leases(workshop.database),
        runtimes={name: AnyRuntime(name, parts) for name in RuntimeName},
        edge=AnyEdge(parts),
        gates=[health, *traffic],
        comparing=performance,
        instrument=AnyInstrument(parts),
        policy=policy,
        spawn=workshop.threads.submit,
        tell=workshop.voice.tell,
        stop_requested=workshop.voice.stop,
        stale=preconditions.stale,
        meet=parts.meet,
        at_once=parts.at_once,
        mask=parts.mask,
    )


class PartsOfHome:
    """Finds the parts for a service by its engine, and gathers the secrets of every service that it is asked about."""

    def __init__(self, workshop: Workshop, journal: StoreJournal, policy: Policy) -> None:
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
