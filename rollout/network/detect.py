"""What the processes of an instance listen on, by psutil: the portable way. Linux has a cheaper one in `sockets.py`."""

import sys
from collections.abc import Sequence

import psutil

from rollout.host.ports import Listener, Watch
from rollout.network.sockets import SocketTable


class ProcessWatch:
    """Fulfils `host.ports.Watch` wherever psutil runs. A process that ends while it is looked at has no listeners."""

    def listening(self) -> None:
        """Not to be had cheaply this way."""
        return

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        """All listening TCP sockets of these processes, in the order of ports, each once."""
        found = {listener for pid in pids for listener in _of(pid)}
        return sorted(found, key=lambda listener: (listener.port, listener.address, listener.pid))

    def apart(self, _network: str, _pids: Sequence[int] = ()) -> None:
        """Not to be told this way."""
        return


def watch() -> Watch:
    """The cheapest way that works on this machine."""
    return SocketTable() if sys.platform == "linux" and SocketTable.works() else ProcessWatch()


def _of(pid: int) -> list[Listener]:
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return []
    return [
        Listener(pid=pid, address=c.laddr.ip, port=c.laddr.port, loopback=is_loopback(c.laddr.ip))
        for c in connections
        if c.status == psutil.CONN_LISTEN
    ]


def is_loopback(address: str) -> bool:
    """Only programs in the same network reach it."""
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"
