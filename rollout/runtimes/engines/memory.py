"""The engine in memory: honest, with faults on demand. It runs nothing; it says truthfully what would run."""

import itertools
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from rollout.errors import BrokenError
from rollout.host.ports import DOWN, InstanceFacts, InstanceSpec, Listener, Phase
from rollout.model.fleet import RestartPolicy, RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a program does instead of serving on its port.

    `exits`: ends at once with this code. `listens`: on these ports only. `unstartable`: cannot be run at all, for this reason.
    """

    exits: int | None = None
    listens: tuple[int, ...] | None = None
    unstartable: str = ""
    says: tuple[str, ...] = ()


@dataclass(slots=True)
class _Program:
    spec: InstanceSpec
    facts: InstanceFacts
    ports: tuple[int, ...]
    log: list[str] = field(default_factory=list)


class MemoryEngine:
    """Fulfils Engine, and Watch for its own programs. `faults` by service and runtime, read at each start."""

    def __init__(self) -> None:
        self.faults: dict[tuple[str, RuntimeName], Fault] = {}
        self.graces: dict[str, float] = {}
        self._programs: dict[str, _Program] = {}
        self._pids = itertools.count(1_000_001)
        self._lock = threading.Lock()

    def prepare(self, spec: InstanceSpec) -> None:
        """Nothing: a process is made and started at once."""

    def start(self, spec: InstanceSpec) -> InstanceFacts:
        """It runs, or has ended as its fault says."""
        fault = self.faults.get((spec.service, spec.runtime), Fault())
        with self._lock:
            known = self._programs.get(spec.id)
            if known and known.facts.phase not in DOWN:
                return known.facts
            if fault.unstartable:
                raise BrokenError(f"{spec.service} cannot be run: {fault.unstartable}", state="nothing of it runs")
            program = self._begin(spec, fault)
            if known:
                program.log = known.log + program.log
            self._programs[spec.id] = program
            if fault.exits is not None:
                self._end(program, fault.exits)
            return program.facts

    def _begin(self, spec: InstanceSpec, fault: Fault) -> _Program:
        pid = next(self._pids)
        facts = InstanceFacts(id=spec.id, phase=Phase.RUNNING, pid=pid, started=float(pid), log=f"memory:{spec.id}")
        ports = (spec.port,) if spec.serves and spec.port else ()
        return _Program(spec, facts, ports if fault.listens is None else fault.listens, list(fault.says))

    def _end(self, program: _Program, code: int) -> None:
        policy = program.spec.restart
        again = policy is RestartPolicy.ALWAYS or (policy is RestartPolicy.ON_FAILURE and code != 0)
        phase = Phase.FAILED if again else Phase.EXITED
        restarts = program.spec.restart_max if again else 0
        program.facts = replace(program.facts, phase=phase, pid=None, started=None, restarts=restarts, exit_code=code)
        program.ports = ()

    def end(self, instance: str, code: int) -> None:
        """The program ends with this code, as if by itself, and its restart policy has run out."""
        with self._lock:
            self._end(self._programs[instance], code)

    def lose(self, instance: str) -> None:
        """What kept the program was killed, and the program with it."""
        with self._lock:
            program = self._programs[instance]
            program.facts = replace(program.facts, phase=Phase.LOST, pid=None, started=None)
            program.ports = ()

    def listen(self, instance: str, *ports: int) -> None:
        """From now on the program listens on these ports alone."""
        self._programs[instance].ports = ports

    def stop(self, instance: str, grace_s: float) -> None:
        """It does not run; it obeys at once, and the grace it was given is in `graces`."""
        with self._lock:
            self.graces[instance] = grace_s
            program = self._programs.get(instance)
            if program and program.facts.phase is not Phase.GONE:
                code = -15 if program.facts.exit_code is None else program.facts.exit_code
                program.facts = replace(program.facts, phase=Phase.GONE, pid=None, started=None, exit_code=code)
                program.ports = ()

    def facts(self, instance: str) -> InstanceFacts | None:
        """What is known."""
        program = self._programs.get(instance)
        return program.facts if program else None

    def pids(self, instance: str) -> Sequence[int]:
        """The one process while it runs."""
        facts = self.facts(instance)
        return [facts.pid] if facts and facts.pid else []

    def forget(self, instance: str) -> None:
        """Unknown from now on."""
        with self._lock:
            program = self._programs.get(instance)
            if program and program.facts.pid:
                raise BrokenError(f"{instance} still runs", then="stop it first")
            self._programs.pop(instance, None)

    def known(self) -> Sequence[str]:
        """All programs."""
        return list(self._programs)

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        """The last lines that it said."""
        program = self._programs.get(instance)
        return program.log[-lines:] if program and lines else []

    def listening(self) -> Collection[tuple[int, int]]:
        """All ports of all programs, in the one network that there is."""
        return {(0, port) for program in self._programs.values() for port in program.ports}

    def apart(self, _network: str, _pids: Sequence[int] = ()) -> None:
        """There are no networks but one."""
        return

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        """What the programs with these pids listen on."""
        found = [(p.facts.pid, port) for p in self._programs.values() if p.facts.pid in pids for port in p.ports]
        return [Listener(pid=pid, address="127.0.0.1", port=port, loopback=True) for pid, port in sorted(found) if pid]
