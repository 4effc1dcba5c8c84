"""What runs on this host, by psutil: who descends from whom, who carries a mark, who listens on a port."""

import errno
import os
import socket
import threading
import time
from collections.abc import Collection, Iterable, Sequence

import psutil

FRESH_S = 0.2
GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


class ProcessTable:
    """Parent and group of every process, looked up at most every 0.2 s however many ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = 0.0
        self._rows: list[tuple[int, int, int]] = []

    def family(self, leader: int, keeper: int, spared: int) -> list[int]:
        """The leader first, then its group and all that descends from its keeper, without `spared`."""
        rows = self._look()
        found = {leader, *(pid for pid, _, group in rows if group == leader)}
        size = 0
        while size != len(found):
            size = len(found)
            found |= {pid for pid, parent, _ in rows if (parent in found or parent == keeper) and pid != spared}
        return sorted(found, key=lambda pid: (pid != leader, pid))

    def _look(self) -> list[tuple[int, int, int]]:
        with self._lock:
            if time.monotonic() - self._at > FRESH_S:
                self._rows = list(_rows())
                self._at = time.monotonic()
            return self._rows


def _rows() -> Iterable[tuple[int, int, int]]:
    for process in psutil.process_iter():
        try:
            yield process.pid, process.ppid(), os.getpgid(process.pid)
        except (*GONE, OSError):
            continue


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
        """A port that the system gives out and that is not taken."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in taken:
                return port

    def holder(self, port: int) -> str:
        """Who listens there; `another process` where the system does not tell."""
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")):
            if not self._free(family, address, port):
                return self._name(port)
        return ""

    @staticmethod
    def _free(family: socket.AddressFamily, address: str, port: int) -> bool:
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
