"""Instances as containers of one engine. Whoever keeps them is the engine: they outlive every process of ours."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rollout.errors import BrokenError
from rollout.host.ports import DOWN, InstanceFacts, InstanceSpec, Phase
from rollout.host.processes import ProcessTable, alive, started
from rollout.model.fleet import RestartPolicy
from rollout.runtimes.engines import frames
from rollout.runtimes.engines.container_api import AwayError, ContainerApi
from rollout.runtimes.engines.container_records import Record, Records
from rollout.runtimes.engines.dialect import Dialect, Seen
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.maker import REMOVE_S, Maker
from rollout.runtimes.engines.sandboxes import Sandboxes
from rollout.runtimes.engines.volumes import Volumes

START_S, STOP_S = 60.0, 20.0
AGAIN_S = 15.0
"""Within this time an engine has begun to start again what has ended and is to be started again."""
SETTLE_S, LOOK_S = 3.0, 0.05
KILLED = 137
NOT_MODIFIED, BAD_REQUEST, CONFLICT, SERVER_ERROR = 304, 400, 409, 500


@dataclass(frozen=True, slots=True)
class _Alive:
    """A process that was the first of its container when the engine was asked last: while it lives, nothing has changed."""

    pid: int
    started: float | None
    restarts: int


@dataclass(slots=True, kw_only=True)
class ContainerEngine:
    """Fulfils Engine by one container for each instance. Safe to call from many threads and processes."""

    dialect: Dialect
    api: ContainerApi
    records: Records
    labels: Labels
    volumes: Volumes
    ended_by_memory: Callable[[str], bool]
    sandboxes: Sandboxes | None = None
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _table: ProcessTable = field(default_factory=ProcessTable)
    _alive: dict[str, _Alive] = field(default_factory=dict)
    _ready: dict[str, InstanceSpec] = field(default_factory=dict)
    """Those whose container was made by us, and never started."""

    @property
    def _maker(self) -> Maker:
        """By the way to the engine that is used now."""
        return Maker(self.dialect, self.api, self.records, self.labels, self.volumes, self.sandboxes)

    def prepare(self, spec: InstanceSpec) -> None:
        """Its container is made, if it does not run: `start` with the same spec has only to start that. Errors as of `start`."""
        if self._ready.get(spec.id) == spec:
            return
        known = self.facts(spec.id)
        if (known is None or known.phase in DOWN) and self._made(spec):
            self._ready[spec.id] = spec

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        """It runs, or has ended by itself already; one that was stopped or lost becomes a new container.

        BrokenError, with nothing of it running, when it cannot be run; AwayError when the engine does not answer.
        """
        ready = self._ready.pop(spec.id, None)
        known = self.facts(spec.id) if ready != spec else None
        if known is not None and known.phase not in DOWN:
            return known
        started = ready == spec and self._maker.stands(spec) and self._run(spec)
        if not started and self._made(spec):
            self._run(spec)
        return self.facts(spec.id) or InstanceFacts(id=spec.id, phase=Phase.GONE)

    def _made(self, spec: InstanceSpec) -> bool:
        """Its container is new, and was never started; False where there is one that runs, although we did not know."""
        self.records.write(Record.of(spec, str(self.api.path)))
        if self._maker.taken_back(spec):
            return False
        self._maker.create(spec)
        return True

    def _run(self, spec: InstanceSpec) -> bool:
        """Its container is started; False where there is none."""
        name = self.labels.name(spec.id)
        try:
            return not self.api.ask("POST", f"/containers/{name}/start", timeout_s=START_S).unknown
        except BrokenError as error:
            self.api.ask("DELETE", f"/containers/{name}", params={"v": "true", "force": "true"}, timeout_s=REMOVE_S)
            raise BrokenError(f"{spec.service}: {error.what}", state=f"nothing of {spec.id} runs", then=error.then) from error

    def stop(self, instance: str, grace_s: float) -> None:
        """It does not run: the image's stop signal, then KILL after the grace. Idempotent."""
        record = self.records.read(instance)
        if record is None or record.stopped:
            return
        self._ready.pop(instance, None)
        record = self.records.note(record, stopping=True)
        seen = self._halted(record, math.ceil(grace_s))
        if seen is not None and seen.live:
            name, engine = self.labels.name(instance), self.dialect.name
            raise BrokenError(f"{engine} could not end {name}", state="it runs", then=f"{engine} kill {name}")
        self._without_sandbox(instance)
        code = seen.exit_code if seen is not None else record.exit_code
        self.records.note(record, stopped=True, exit_code=code, restarts=seen.restarts if seen else record.restarts)

    def _halted(self, record: Record, grace_s: int) -> Seen | None:
        """The container after it was told to stop. One that has just ended by itself may be started again under our hands."""
        limit = self.clock() + SETTLE_S
        in_time = {"t": str(grace_s), "timeout": str(grace_s)}  # Docker's word and Podman's
        while (seen := self._ours(record.id)) is not None:
            if seen.live:
                path = f"/containers/{self.labels.name(record.id)}/stop"
                busy = {CONFLICT, SERVER_ERROR}  # it is just being started again
                stopped = self.api.ask("POST", path, params=in_time, also=busy, timeout_s=grace_s + STOP_S)
                if stopped.status not in {NOT_MODIFIED, *busy}:
                    return self._ours(record.id)
            elif not self._comes_again(record, seen):
                return seen
            if self.clock() > limit:
                return seen
            self.sleep(LOOK_S)
        return None

    def facts(self, instance: str) -> InstanceFacts | None:
        """What is known; None where it is no container of ours. The engine is asked only where something may have changed."""
        record = self.records.read(instance)
        if record is None:
            return None
        if record.stopped or instance in self._ready:
            return self._told(record, Phase.GONE)
        known = self._alive.get(instance)
        if known is not None and started(known.pid) == known.started and alive(known.pid):
            return self._running(record, known)
        try:
            seen = self._ours(instance)
        except AwayError:
            if known is None:
                raise
            return self._told(self.records.note(record, lost=True), Phase.LOST)
        return self._judged(record, seen)

    def _judged(self, record: Record, seen: Seen | None) -> InstanceFacts:
        if seen is None or not seen.begun:
            return self._told(record, Phase.LOST if seen is None else Phase.GONE)
        if seen.live:
            if seen.restarts != record.restarts:
                record = self._noted(record, replace(seen, exit_code=self._last_exit(seen)))
            record = self.records.note(record, lost=False)
            known = _Alive(seen.pid, started(seen.pid) if seen.pid else None, seen.restarts)
            if known.started is None or not alive(seen.pid):
                return self._told(record, Phase.STARTING)
            self._alive[record.id] = known
            return self._running(record, known)
        if record.lost:
            return self._told(record, Phase.LOST)
        if not record.stopping and self._comes_again(record, seen):
            return self._told(self._noted(record, seen), Phase.STARTING)
        return self._ended(record, seen)

    def _last_exit(self, seen: Seen) -> int | None:
        """How one that was started again had ended: by then its engine tells it in its events alone. None where it does not."""
        event, code = self.dialect.ended
        what = json.dumps({"container": [seen.container], "event": [event]})
        span = {"since": str(int(seen.ended) - 1), **self.dialect.until(self.clock())}
        told = self.api.ask("GET", "/events", params={"filters": what, **span}).content
        codes = [json.loads(line)["Actor"]["Attributes"].get(code) for line in told.splitlines() if line.strip()]
        return int(codes[-1]) if codes and codes[-1] else None

    def _comes_again(self, record: Record, seen: Seen) -> bool:
        """It has ended, and its engine is about to start it again."""
        failed = record.restart is RestartPolicy.ON_FAILURE and seen.exit_code and seen.restarts < record.restart_max
        again = record.restart is RestartPolicy.ALWAYS or bool(failed)
        return again and self.clock() - seen.ended < AGAIN_S

    def _by_memory(self, record: Record, seen: Seen) -> str:
        """The container where the kernel ended it at its memory limit, also where its engine starts it again; else empty."""
        known = seen.out_of_memory or record.ended_by_memory == seen.container
        return seen.container if seen.exit_code == KILLED and (known or self.ended_by_memory(seen.container)) else ""

    def _noted(self, record: Record, seen: Seen) -> Record:
        memory = self._by_memory(record, seen)
        return self.records.note(record, exit_code=seen.exit_code, restarts=seen.restarts, ended_by_memory=memory)

    def _ended(self, record: Record, seen: Seen) -> InstanceFacts:
        record = self._noted(record, seen)
        given_up = record.restart is RestartPolicy.ON_FAILURE and seen.exit_code
        return self._told(record, Phase.FAILED if given_up else Phase.EXITED)

    @staticmethod
    def _told(record: Record, phase: Phase) -> InstanceFacts:
        return InstanceFacts(
            id=record.id,
            phase=phase,
            restarts=record.restarts,
            exit_code=record.exit_code,
            out_of_memory=bool(record.ended_by_memory),
        )

    def _running(self, record: Record, known: _Alive) -> InstanceFacts:
        phase = Phase.STOPPING if record.stopping else Phase.RUNNING
        return replace(self._told(record, phase), pid=known.pid, started=known.started, restarts=known.restarts)

    def pids(self, instance: str) -> Sequence[int]:
        """Its live processes, the first of the container first: all others descend from it."""
        facts = self.facts(instance)
        return [] if facts is None or facts.pid is None else self._table.family(facts.pid, facts.pid, 0)

    def forget(self, instance: str) -> None:
        """Its container is removed. BrokenError while it runs. Idempotent."""
        record = self.records.read(instance)
        if record is None:
            return
        seen = self._ours(instance)
        if seen is not None and seen.live:
            raise BrokenError(f"{instance} still runs", then="stop it first")
        if seen is not None:
            self.api.ask("DELETE", f"/containers/{self.labels.name(instance)}", params={"v": "true"}, timeout_s=REMOVE_S)
        self._without_sandbox(instance)
        self.records.erase(instance)
        self._alive.pop(instance, None)
        self._ready.pop(instance, None)

    def _without_sandbox(self, instance: str) -> None:
        if self.sandboxes is not None:
            self.sandboxes.remove(instance)

    def known(self) -> Sequence[str]:
        """Every instance of this home that the engine has a container of, also those that nothing is remembered of."""
        wanted = {"all": "true", "filters": self.labels.filters()}
        listed = self.api.ask("GET", "/containers/json", params=wanted).data or []
        return sorted({self.labels.instance(one.get("Labels") or {}) for one in listed})

    def take_back(self, instance: str) -> None:
        """A container of ours that nothing is remembered of is an instance again."""
        if self.records.read(instance) is None:
            self.records.write(Record(id=instance, engine=self.dialect.name, socket=str(self.api.path)))

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines of its log."""
        if lines <= 0 or self._ours(instance) is None:
            return []
        wanted = {"stdout": "true", "stderr": "true", "follow": "false", "tail": str(lines)}
        return frames.lines(self.api.ask("GET", f"/containers/{self.labels.name(instance)}/logs", params=wanted).content)[-lines:]

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """Run by this engine, from what the name of its image stands for now. BrokenError where there is no such image."""
        name = self.labels.image(spec.image, spec.image_digest) if spec.image_digest else spec.image
        found = self.api.ask("GET", f"/images/{name}/json", also={BAD_REQUEST})
        if found.unknown or found.status == BAD_REQUEST:
            raise BrokenError(
                f"{spec.service}: the image {spec.image} is not on {self.dialect.name}",
                then=self.dialect.fetch(spec.image),
            )
        return replace(spec, engine=self.dialect.name, image_id=self.dialect.image_id(found.data))

    def _ours(self, instance: str) -> Seen | None:
        """Its container; None where there is none, also where one of its name belongs to somebody else."""
        seen = self._maker.look(self.labels.name(instance))
        return seen if seen is not None and self.labels.ours(seen.labels, instance) else None
