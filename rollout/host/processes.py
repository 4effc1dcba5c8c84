"""What runs on this host, by psutil: who descends from whom, who carries a mark, who listens on a port."""

import errno
import random
import socket
import threading
import time
from collections.abc import Collection, Sequence

import psutil

from rollout.host.shim.processes import group_of, parents

FRESH_S = 0.2
OURS = (20_000, 32_000)
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


class ProcessTable:
    """Who runs, below whom and in which group; looked up at most every 0.2 s however many ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = -FRESH_S
        self._children: dict[int, list[int]] = {}
        self._groups: dict[int, list[int]] = {}

    def family(self, leader: int, keeper: int, spared: int) -> list[int]:
        """The leader first, then its group and all that descends from its keeper, without `spared`."""
        with self._lock:
            self._look()
            found = {leader, *self._groups.get(leader, [])}
            look = [keeper, *found]
            while look:
                children = [pid for pid in self._children.get(look.pop(), []) if pid != spared and pid not in found]
                found.update(children)
                look += children
        return sorted(found, key=lambda pid: (pid != leader, pid))

    def _look(self) -> None:
        if time.monotonic() - self._at < FRESH_S:
            return
        self._children, self._groups = {}, {}
        for pid, parent in (parents() or _parents()).items():
            self._children.setdefault(parent, []).append(pid)
            self._groups.setdefault(group_of(pid), []).append(pid)
        self._at = time.monotonic()


def _parents() -> dict[int, int]:
    """Parent by process where there is no /proc."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = process.ppid()
        except GONE:
            continue
    return found


def started(pid: int) -> float | None:
    """psutil's create_time, comparable only with itself; None for nobody."""
    try:
        return psutil.Process(pid).create_time()
    except GONE:
        return None


def alive(pid: int) -> bool:
    """It runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def marked(variable: str, value: str) -> list[psutil.Process]:
    """All processes of ours with this variable in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == value:
                found.append(process)
        except (*GONE, OSError):
            continue
    return found


def sweep(variable: str, value: str, limit_s: float = 5.0) -> list[int]:
    """Kill what carries the mark, again until nothing does or the limit is over; what is left then."""
    limit = time.monotonic() + limit_s
    while left := [process for process in marked(variable, value) if alive(process.pid)]:
        for process in left:
            try:
                process.kill()
            except GONE:
                continue
        if time.monotonic() > limit:
            break
        psutil.wait_procs(left, timeout=0.2)
    return [process.pid for process in left]


class HostPorts:
    """Fulfils `Ports` on this host."""

    def free(self, taken: Collection[int]) -> int:
        """A port that nobody listens on, below those that systems give to outgoing connections, and not taken."""
        while True:
            port = random.randrange(*OURS)
            if port not in taken and self._is_free(port):
                return port

    def holder(self, port: int) -> str:
        """Who listens there; `another process` where the system does not tell."""
        return "" if self._is_free(port) else self._name(port)

    def _is_free(self, port: int) -> bool:
        places = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::"))
        return all(self._can_bind(family, address, port) for family, address in places)

    @staticmethod
    def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError as error:
            return error.errno not in {errno.EADDRINUSE, errno.EACCES}
        return True

    @staticmethod
    def _name(port: int) -> str:
        pids: Sequence[int] = []
        try:
            found = psutil.net_connections("tcp")
            pids = [c.pid for c in found if c.pid and c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port]
            return f"pid {pids[0]} ({psutil.Process(pids[0]).name()})" if pids else "another process"
        except GONE:
            return f"pid {pids[0]}" if pids else "another process"
