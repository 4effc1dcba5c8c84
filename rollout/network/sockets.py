"""What processes listen on, on Linux: a kept socket for each of their network namespaces tells what is listened on there.

The kernel tells the inode of each socket, and the process's open files tell whose it is.
"""

import os
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from rollout.errors import BrokenError
from rollout.host.ports import Listener
from rollout.network import descriptors, proc_net, sock_diag
from rollout.network.inside import open_inside
from rollout.network.sock_diag import Told

TURNS = 3
"""Of many namespaces, each look asks a third."""
EACH = 16
"""So few are all asked at each look."""
NOT_ENTERED = -1
"""The number of all that we may not enter."""
HIDDEN = 0
"""Stands for the namespaces of processes that do not let us see which one it is."""


@dataclass(slots=True)
class _Network:
    """A namespace that is kept. `number`: no other one ever has it; `pids`: who was seen in it; `ports`: at the last look."""

    number: int
    kernel: socket.socket
    pids: Sequence[int] = ()
    ports: frozenset[int] = field(default_factory=frozenset)


class SocketTable:
    """Fulfils `host.ports.Watch` on Linux, for processes in our own and in other network namespaces. Safe from any thread.

    A namespace lives while a socket of it is open: ours is closed when the processes that were looked at have left it.
    One that we may not enter is read from /proc at each look, and not covered by `listening`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = _namespace("self") or HIDDEN
        self._known: dict[int, _Network] = {}
        self._numbers = count(1)

    @staticmethod
    def works() -> bool:
        """True where the kernel answers (some sandboxes do not let us ask)."""
        try:
            with sock_diag.opened() as kernel:
                sock_diag.ports(kernel)
        except (OSError, struct.error):
            return False
        return True

    def listening(self) -> Collection[tuple[int, int]]:
        """Network and port of all that is listened on: on this host, and in the namespaces of processes that were looked at.

        Where these are many, what is new in one of them is told at the third call at the latest.
        """
        with self._lock:
            self._network(self._own, ())
            for inode in list(self._known)[: max(EACH, -(-len(self._known) // TURNS))]:
                network = self._known.pop(inode)
                if self._look(inode, network):
                    self._known[inode] = network  # behind those whose turn it is next
            return {(network.number, port) for network in self._known.values() for port in network.ports}

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        """All listening TCP sockets of these processes, in the order of ports, each once."""
        found: list[Listener] = []
        for inode, there in _by_namespace(pids).items():
            owners = {file: pid for pid in reversed(there) for file in descriptors.sockets(pid)}
            if owners:
                found += self._of(inode, there, owners)
        return sorted(found, key=lambda listener: (listener.port, listener.address, listener.pid))

    def apart(self, network: str, pids: Sequence[int] = ()) -> Sequence[Listener] | None:
        """See Watch. One that we may not enter cannot be told."""
        inode = _inode(network)
        if inode in {None, self._own}:
            return None
        number, told = self._told(inode, pids, network)
        if number == NOT_ENTERED:
            return None
        pid = pids[0] if pids else 0
        found = [Listener(pid=pid, address=one.address, port=one.port, loopback=one.loopback, network=number) for one in told]
        return sorted(found, key=lambda listener: (listener.port, listener.address))

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """No namespace lives on because of us."""
        with self._lock:
            for network in self._known.values():
                network.kernel.close()
            self._known.clear()

    def _of(self, inode: int, pids: Sequence[int], owners: Mapping[int, int]) -> Iterator[Listener]:
        number, told = self._told(inode, pids)
        for one in told:
            if one.inode in owners:
                pid = owners[one.inode]
                yield Listener(pid=pid, address=one.address, port=one.port, loopback=one.loopback, network=number)

    def _told(self, inode: int, pids: Sequence[int], path: str = "") -> tuple[int, Sequence[Told]]:
        """The number of a namespace, and what is listened on there."""
        with self._lock:
            network = self._network(inode, pids, path)
            if network is not None:
                try:
                    told = list(sock_diag.listening(network.kernel))
                except OSError:
                    self._known.pop(inode).kernel.close()
                else:
                    network.ports = frozenset(one.port for one in told)
                    return network.number, told
        return NOT_ENTERED, list(proc_net.listening(pids))

    def _network(self, inode: int, pids: Sequence[int], path: str = "") -> _Network | None:
        """Kept from now on; None for one that cannot be entered."""
        known = self._known.get(inode)
        if known is None:
            kernel = self._opened(inode, [path] if path else [f"/proc/{pid}/ns/net" for pid in pids])
            if kernel is None:
                return None
            known = self._known[inode] = _Network(0 if inode == self._own else next(self._numbers), kernel)
        known.pids = pids or known.pids
        return known

    def _opened(self, inode: int, paths: Sequence[str]) -> socket.socket | None:
        if inode == self._own:
            return sock_diag.opened()
        for path in paths if inode != HIDDEN else ():
            try:
                return open_inside(path, sock_diag.opened)
            except (BrokenError, OSError):
                continue
        return None

    def _look(self, inode: int, network: _Network) -> bool:
        """What is listened on there now; False, and closed, where none of its processes is left."""
        left = inode == self._own or any(_namespace(pid) == inode for pid in network.pids)
        try:
            network.ports = sock_diag.ports(network.kernel) if left else frozenset()
        except OSError:
            left = False
        if not left:
            network.kernel.close()
        return left


def _by_namespace(pids: Sequence[int]) -> Mapping[int, list[int]]:
    """The processes that still live, by the inode of their network namespace."""
    found = defaultdict(list)
    for pid in pids:
        inode = _namespace(pid)
        if inode is not None:
            found[inode].append(pid)
    return found


def _namespace(pid: int | str) -> int | None:
    """The inode of its network namespace; None for a process that is gone."""
    return _inode(f"/proc/{pid}/ns/net")


def _inode(path: str) -> int | None:
    """Of the network namespace at this path; None where none is."""
    try:
        return os.stat(path).st_ino
    except PermissionError:
        return HIDDEN
    except OSError:
        return None
