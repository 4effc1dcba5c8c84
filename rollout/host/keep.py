"""Keeping programs, each by a shim of its own: start, stop, and what is known of them. Outlives every process of ours.

A folder per program holds what its shim needs and says.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import rollout
from rollout.errors import BrokenError
from rollout.host import processes, shim_state
from rollout.host.lock import locked
from rollout.host.ports import DOWN, InstanceFacts, Phase
from rollout.host.shim.background import HELD
from rollout.host.shim_state import ShimState
from rollout.model.fleet import RestartPolicy

MARK, SHIM = "ROLLOUT_KEPT", "ROLLOUT_SHIM"
"""In the environment of what is kept, and of what keeps it: the folder."""
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV")
LOOK_S, LONGEST_LOOK_S = 0.01, 0.1
PATIENCE_S = 10.0
TAIL_BYTES = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to keep, under a name that is safe as a file name. `log_bytes`: the size at which the log is rotated."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    restart: RestartPolicy = RestartPolicy.ALWAYS
    restart_max: int = 0
    grace_s: float = 10.0
    log_bytes: int = 1_000_000
    stop_signal: int = signal.SIGTERM

    def fields(self, mark: str) -> bytes:
        """The file that its shim reads."""
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        pairs = [("argv", part) for part in self.argv]
        pairs += [("env", f"{key}={value}") for key, value in {**inherited, **self.env, MARK: mark}.items()]
        pairs += [("directory", self.directory or "/"), ("restart", self.restart), ("restart_max", str(self.restart_max))]
        pairs += [("grace_s", str(self.grace_s)), ("log_bytes", str(self.log_bytes)), ("stop_signal", str(int(self.stop_signal)))]
        content = [os.fsencode(f"{key}={value}") for key, value in pairs]
        if any(b"\0" in part for part in content):
            raise BrokenError(f"{self.name} cannot be run: a NUL character in its command or environment")
        return b"\0".join(content)


class Keeper:
    """All programs kept under `folder` (0700). Safe to call from many threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._table = processes.ProcessTable()

    def start(self, program: Program) -> InstanceFacts:
        """It runs, or has ended by itself already; one that was stopped or lost is started anew.

        BrokenError, with nothing of it running, when it cannot be run.
        """
        known = self.facts(program.name)
        if known and known.phase not in DOWN:
            return known
        if known and known.phase is Phase.LOST:
            self._sweep(program.name)
        self._write_spec(program)
        place = self._place(program.name)
        package = Path(rollout.__file__).parent
        command = [sys.executable, "-I", "-S", str(package / "host/shim/start.py"), str(package.parent), str(place)]
        env = {SHIM: str(place)}
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/", env=env)
        if ended.returncode not in {0, HELD}:
            said = ended.stderr.decode(errors="replace").strip().splitlines()
            raise BrokenError(
                said[-1] if said else f"the keeper of {program.name} ended with {ended.returncode}",
                state=f"nothing of {program.name} runs",
            )
        return self.facts(program.name) or InstanceFacts(id=program.name, phase=Phase.GONE)

    def _write_spec(self, program: Program) -> None:
        place = self._place(program.name)
        content = program.fields(str(place))
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = place / f"spec.{os.getpid()}.{threading.get_ident()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            draft.replace(place / "spec")
        except OSError as error:
            raise BrokenError(
                f"cannot write {place}: {error.strerror}", state=f"nothing of {program.name} runs", then="free some space"
            ) from error

    def stop(self, name: str, grace_s: float) -> None:
        """No process of it lives: its stop signal to all, KILL after the grace. Idempotent. BrokenError when one is left."""
        place = self._place(name)
        state = shim_state.read(place)
        if state is None or state.phase is Phase.GONE:
            return
        if not state.final:
            state = self._ask_to_stop(name, grace_s)
        if not state.final:
            state = self._kill_shim(name)
        if state.phase is not Phase.GONE or not os.path.isdir("/proc/self"):
            self._sweep(name)
        if state.phase is not Phase.GONE:
            shim_state.write_gone(place, state)
        self._wait_for_shim(place)

    @staticmethod
    def _wait_for_shim(place: Path) -> None:
        """Its last word is written; it ends within milliseconds."""
        limit = time.monotonic() + PATIENCE_S
        while locked(place) and time.monotonic() < limit:
            time.sleep(LOOK_S)

    def _ask_to_stop(self, name: str, grace_s: float) -> ShimState:
        limit = time.monotonic() + grace_s + PATIENCE_S
        asked, look = False, LOOK_S
        while not (state := self._state(name)).final and time.monotonic() < limit:
            asked = asked or self._say(name, f"stop {grace_s}\n")
            time.sleep(min(LONGEST_LOOK_S, look := look * 1.3))
        return state

    def _say(self, name: str, line: str) -> bool:
        """The shim has it; False while nobody reads."""
        try:
            descriptor = os.open(self._place(name) / "control", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
        return True

    def _kill_shim(self, name: str) -> ShimState:
        """For a shim that does not obey (stopped, stuck): its guard ends what it kept."""
        limit = time.monotonic() + PATIENCE_S
        while not (state := self._state(name)).final and time.monotonic() < limit:
            if state.shim and processes.alive(state.shim):
                os.kill(state.shim, signal.SIGKILL)
            time.sleep(LOOK_S)
        return state

    def _sweep(self, name: str) -> None:
        left = processes.sweep(MARK, str(self._place(name)))
        if left:
            raise BrokenError(f"{name} cannot be ended: {', '.join(f'pid {pid}' for pid in left)} lives on after KILL")

    def facts(self, name: str) -> InstanceFacts | None:
        """What is known; None for an unknown name."""
        state = shim_state.read(self._place(name))
        if state is None:
            return None
        pid = 0 if state.final else state.pid
        return InstanceFacts(
            id=name,
            phase=state.phase,
            pid=pid or None,
            started=processes.started(pid) if pid else None,
            restarts=state.restarts,
            exit_code=state.exit_code,
            log=str(self._place(name) / "log"),
        )

    def pids(self, name: str) -> Sequence[int]:
        """Live processes of it, the leader first."""
        state = shim_state.read(self._place(name))
        if state is None or state.final or not state.pid:
            return []
        return self._table.family(state.pid, state.shim, state.guard)

    def names(self) -> list[str]:
        """Everything that is known, kept or ended."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.is_dir() else []

    def forget(self, name: str) -> None:
        """Its files are gone; BrokenError while it runs. Idempotent."""
        if not self._state(name).final:
            raise BrokenError(f"{name} still runs", then="stop it first")
        shutil.rmtree(self._place(name), ignore_errors=True)

    def tail(self, name: str, lines: int) -> Sequence[str]:
        """The last lines that it wrote."""
        found: list[str] = []
        for part in ("log", "log.1"):
            if len(found) < lines:
                found = self._last(self._place(name) / part) + found
        return found[-lines:] if lines else []

    @staticmethod
    def _last(path: Path) -> list[str]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _place(self, name: str) -> Path:
        return self.folder / name

    def _state(self, name: str) -> ShimState:
        return shim_state.read(self._place(name)) or ShimState(phase=Phase.GONE)
