"""Tunnels by `wireguard-go`: one process each, in the background of nobody, so that they outlive every process of ours.

All run in this process's network namespace, where their UDP sockets stay; the link alone is moved. No instance ever sees a key.
"""

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from rollout.errors import BrokenError
from rollout.network.mesh import uapi
from rollout.network.mesh.tunnels import Settings, Tunnel
from rollout.network.mesh.watches import ENOUGH, SETTING, Watches

PROGRAM = "wireguard-go"
START = '"$@" >/dev/null 2>&1 </dev/null & echo $!'
"""Its parent ends at once and leaves it to the machine's first process: no zombie ever stays with us."""
MEMORY = "14MiB"
"""The Go runtime's limit for a tunnel with one peer: 8 MB resident after load instead of 11 to 23, for 17 % of throughput."""
START_S, END_S, LOOK_S = 5.0, 5.0, 0.001
PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program() -> str | None:
    """Where `wireguard-go` is; None where it is not installed."""
    return shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:{PLACES}")


class TooManyError(BrokenError):
    """The kernel lets this user have no more of them."""


class UserspaceTunnels:
    """Fulfils Tunnels. With `watches` the kernel's limit of what each of them takes is raised where it is reached."""

    def __init__(self, watches: Watches | None = None) -> None:
        self._pids: dict[str, int] = {}
        self._watches = watches

    def start(self, tunnel: Tunnel) -> None:
        """As in the port."""
        try:
            self._start(tunnel)
        except TooManyError:
            if self._watches is None or not self._watches.more():
                raise
            self._start(tunnel)

    def close(self) -> None:
        """As in the port."""
        if self._watches is not None:
            self._watches.put_back()

    def _start(self, tunnel: Tunnel) -> None:
        self.end(tunnel)
        found = program()
        if found is None:
            raise BrokenError(f"{PROGRAM} is not installed", then="apt-get install wireguard-go")
        env = {"PATH": PLACES, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "silent"}
        if not tunnel.crowded:
            env["GOMEMLIMIT"] = MEMORY
        command = ["/bin/sh", "-c", START, "sh", found, "-f", tunnel.name]
        started = subprocess.run(command, env=env, cwd="/", start_new_session=True, stdout=subprocess.PIPE, check=True)
        self._await(tunnel, int(started.stdout), [found, "-f", tunnel.name])

    @staticmethod
    def _await(tunnel: Tunnel, pid: int, command: Sequence[str]) -> None:
        limit = time.monotonic() + START_S
        while not uapi.owner(tunnel.name):
            if time.monotonic() > limit or not os.path.exists(f"/proc/{pid}"):
                raise _why(command)
            time.sleep(LOOK_S)

    def write(self, tunnel: Tunnel, settings: Settings) -> None:
        """As in the port."""
        uapi.write(tunnel.name, settings)

    def shaken(self, tunnel: Tunnel, public_key: str) -> bool:
        """As in the port."""
        return uapi.handshakes(tunnel.name).get(public_key, 0) > 0

    def standing(self, tunnel: Tunnel) -> str:
        """Its pid; looked at together with the network namespace, which lives no longer than one start of the machine.

        One that was asked before is not woken again: the kernel tells what its pid runs.
        """
        pid = self._pids.get(tunnel.name, 0)
        if not pid or _tunnel_of(pid) != tunnel.name:
            pid = self._pids[tunnel.name] = uapi.owner(tunnel.name)
        return str(pid or "")

    def end(self, tunnel: Tunnel) -> None:
        """As in the port. By KILL: the kernel takes the link away with the process, stopped or stuck as it may be."""
        socket, link = uapi.path_of(tunnel.name), Path("/sys/class/net", tunnel.name)
        if socket.exists() or link.exists():
            pid = uapi.owner(tunnel.name)
            for found in [pid] if pid else [pid for pid, name in running() if name == tunnel.name]:
                _kill(found)
        socket.unlink(missing_ok=True)
        self._pids.pop(tunnel.name, None)

    def clear(self, prefix: str, known: Callable[[], Collection[str]]) -> Sequence[str]:
        """As in the port: also of those that are just being started, by whom nobody knows any more."""
        gone = set()
        while found := _unknown(list(running()), prefix, known):
            for pid, name in found:
                _kill(pid)
                gone.add(name)
        sockets = [(0, path.name.removesuffix(".sock")) for path in uapi.SOCKETS.glob("*.sock")]
        for _, name in _unknown(sockets, prefix, known):
            uapi.path_of(name).unlink(missing_ok=True)
            gone.add(name)
        return sorted(gone)


def _unknown(found: Sequence[tuple[int, str]], prefix: str, known: Callable[[], Collection[str]]) -> list[tuple[int, str]]:
    ours = [(pid, name) for pid, name in found if name.startswith(prefix)]
    told = known() if ours else ()
    return [(pid, name) for pid, name in ours if name not in told]


def running() -> Iterator[tuple[int, str]]:
    """Pid and tunnel of each process that is one, or is just about to start one."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (name := _tunnel_of(int(entry))):
            yield int(entry), name


def _tunnel_of(pid: int) -> str:
    """The tunnel that the process is, or is about to start; empty for any other, or for one that is ending."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            argv = file.read().split(b"\0")[:-1]
    except OSError:
        return ""
    is_one = len(argv) > 2 and argv[-2] == b"-f" and argv[-3].endswith(PROGRAM.encode())
    return os.fsdecode(argv[-1]) if is_one else ""


def _kill(pid: int) -> None:
    """It is dead on return, or BrokenError after END_S."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not _readable(handle, END_S):
            raise BrokenError(f"the tunnel of pid {pid} lives on after KILL", then="rollout down, then rollout up")
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _readable(handle: int, limit_s: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(limit_s * 1000))


def _why(command: Sequence[str]) -> BrokenError:
    """What it says when it is started once more, in front of us; it is ended again."""
    env = {"PATH": PLACES, "WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"}
    try:
        ended = subprocess.run(command, env=env, cwd="/", capture_output=True, timeout=1, check=False)
        said = (ended.stdout + ended.stderr).decode(errors="replace").strip().splitlines()
    except subprocess.TimeoutExpired:
        said = ["it took too long"]
    uapi.path_of(command[-1]).unlink(missing_ok=True)
    told = said[-1] if said else "it said nothing"
    what = f"cannot start a tunnel ({PROGRAM}): {told}"
    if "too many open files" in told:
        return TooManyError(what, then=f"sysctl -w {SETTING}={ENOUGH}")
    return BrokenError(what, then="rollout doctor")
