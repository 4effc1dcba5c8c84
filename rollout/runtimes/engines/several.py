"""All engines of a host behind one port: plain processes, and containers on the engines that are found."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.ports import Engine, InstanceFacts, InstanceSpec
from rollout.model.fleet import EngineName, RuntimeName
from rollout.runtimes.engines.bounds import refuse_what_is_not_kept
from rollout.runtimes.engines.container_api import AwayError
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.sockets import INSTALL, OPENS, closed

FIRST = {
    RuntimeName.LEGACY: (EngineName.DOCKER, EngineName.PODMAN),
    RuntimeName.V2: (EngineName.PODMAN, EngineName.DOCKER),
}
"""Which of two engines runs a copy where the service names none: legacy is Docker and v2 is Podman, where both are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """How engines are reached. `find`: where one listens now, None where it is not on this host; Podman's service is started
    for that where none runs. `connect`: the engine behind a socket. `closed`: where one listens, but not for this user."""

    find: Callable[[EngineName], Path | None]
    connect: Callable[[EngineName, Path], ContainerEngine]
    closed: Callable[[EngineName], Path | None] = closed


@dataclass(slots=True)
class Engines:
    """Fulfils Engine. An instance belongs to the engine that started it, for as long as anything is known of it."""

    processes: Engine
    records: Records
    sockets: Sockets
    _connected: dict[tuple[EngineName, str], ContainerEngine] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """The connections to engines are closed for good."""
        with self._lock:
            for engine in self._connected.values():
                engine.api.close()

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """See host.images.Images."""
        if spec.engine is EngineName.PROCESS or spec.image_id:
            return spec
        return self._choice(spec).pinned(spec)

    def _choice(self, spec: InstanceSpec) -> ContainerEngine:
        return self.choice(spec.engine, spec.runtime, spec.service)

    def reached(self, name: EngineName) -> ContainerEngine | None:
        """Docker or Podman, where it is on this host."""
        socket = self.sockets.find(name)
        return None if socket is None else self._at(name, socket)

    def choice(self, engine: EngineName, runtime: RuntimeName, service: str) -> ContainerEngine:
        """What runs a copy of this service on that side. BrokenError where it is not on this host, or closed to this user."""
        wanted = FIRST[runtime] if engine is EngineName.CONTAINERS else (engine,)
        for name in wanted:
            if (found := self.reached(name)) is not None:
                return found
        for name in wanted:
            if (shut := self.sockets.closed(name)) is not None:
                raise BrokenError(f"{service}: {name} at {shut} is not open to this user", then=OPENS[name])
        raise BrokenError(
            f"{service}: {' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} not on this host",
            then=f"{' or '.join(INSTALL[name] for name in wanted)}; rollout doctor tells what is there",
        )

    def _at(self, name: EngineName, socket: Path) -> ContainerEngine:
        with self._lock:
            key = (name, str(socket))
            if key not in self._connected:
                self._connected[key] = self.sockets.connect(name, socket)
            return self._connected[key]

    def _of(self, instance: str) -> Engine:
        """The engine that has it; where that one's socket has moved, the engine at its new place."""
        record = self.records.read(instance)
        if record is None:
            return self.processes
        socket = Path(record.socket)
        return self._at(record.engine, socket if socket.exists() else self.sockets.find(record.engine) or socket)

    def prepare(self, spec: InstanceSpec) -> None:
        """See Engine. Only containers are made beforehand."""
        if spec.engine is EngineName.PROCESS:
            return
        if self.records.read(spec.id) is not None:
            self._of(spec.id).prepare(self.pinned(spec))
        else:
            self._choice(spec).prepare(self.pinned(spec))

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        """See Engine."""
        if spec.engine is EngineName.PROCESS:
            return self.processes.start(spec)
        if self.records.read(spec.id) is not None:
            return self._of(spec.id).start(self.pinned(spec))
        engine = self._choice(spec)
        refuse_what_is_not_kept(engine.dialect.name, engine.api, spec)
        return engine.start(self.pinned(spec))

    def stop(self, instance: str, grace_s: float) -> None:
        """See Engine."""
        self._of(instance).stop(instance, grace_s)

    def facts(self, instance: str) -> InstanceFacts | None:
        """See Engine."""
        return self._of(instance).facts(instance)

    def pids(self, instance: str) -> Sequence[int]:
        """See Engine."""
        return self._of(instance).pids(instance)

    def forget(self, instance: str) -> None:
        """See Engine."""
        self._of(instance).forget(instance)

    def known(self) -> Sequence[str]:
        """Also containers of this home that nothing is remembered of, on engines that answer now."""
        for engine in list(self._connected.values()):
            self._take_back(engine)
        return sorted({*self.processes.known(), *self.records.names()})

    @staticmethod
    def _take_back(engine: ContainerEngine) -> None:
        try:
            for instance in engine.known():
                engine.take_back(instance)
        except AwayError:  # what is remembered of its containers is known all the same
            return

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """See Engine."""
        return self._of(instance).tail(instance, lines)
