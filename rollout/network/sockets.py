"""Listening sockets on Linux, asked of the kernel by one message (sock_diag) instead of reading its whole socket table.

/proc/PID/net/tcp walks the kernel's hash of all connections (10 to 20 ms a look); sock_diag for the state LISTEN alone takes
well under one. The kernel tells the inode of each socket, and the process's open files tell whose it is.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterator, Sequence

from rollout.host.ports import Listener

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
DONE = 3
ERROR = 2
LISTEN = 1 << 10
HEADER = struct.Struct("=IHHII")
ASK = struct.Struct("=BBxxI48x")
"""inet_diag_req_v2: family, protocol, extensions and padding, states; the socket id stays empty."""
TOLD = struct.Struct("=BBBB")
PORT_AT = 4
ADDRESS_AT = 8
INODE_AT = 68


class SocketTable:
    """Fulfils `host.ports.Watch` on Linux, for processes in our own network namespace."""

    @staticmethod
    def works() -> bool:
        """True where the kernel answers (some sandboxes do not let us ask)."""
        try:
            list(_listening(socket.AF_INET))
        except (OSError, struct.error):
            return False
        return True

    def listening(self) -> Collection[int]:
        """Every port that anything listens on."""
        return {port for family in (socket.AF_INET, socket.AF_INET6) for _, _, port, _ in _listening(family)}

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        """All listening TCP sockets of these processes, in the order of ports, each once."""
        owners = {inode: pid for pid in reversed(pids) for inode in _inodes(pid)}
        if not owners:
            return []
        found = [
            Listener(pid=owners[inode], address=address, port=port, loopback=loopback)
            for family in (socket.AF_INET, socket.AF_INET6)
            for inode, address, port, loopback in _listening(family)
            if inode in owners
        ]
        return sorted(found, key=lambda listener: (listener.port, listener.address, listener.pid))


def _inodes(pid: int) -> Iterator[int]:
    """Inodes of the sockets that a process holds open; none for a process that is gone or not ours."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for descriptor in descriptors:
        target = _target(f"/proc/{pid}/fd/{descriptor}")
        if target.startswith("socket:["):
            yield int(target[8:-1])


def _target(link: str) -> str:
    """Where a descriptor leads; empty for one that was closed meanwhile."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _listening(family: int) -> Iterator[tuple[int, str, int, bool]]:
    """Inode, address, port and "loopback only" of every TCP socket that listens in this network namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as kernel:
        body = ASK.pack(family, socket.IPPROTO_TCP, LISTEN)
        kernel.send(HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + body)
        while True:
            data = kernel.recv(1 << 17)
            at = 0
            while at < len(data):
                length, kind, *_ = HEADER.unpack_from(data, at)
                if kind == DONE:
                    return
                if kind == ERROR:
                    raise OSError("the kernel refused to list its sockets")
                yield _read(family, data[at + HEADER.size : at + length])
                at += (length + 3) & ~3


def _read(family: int, message: bytes) -> tuple[int, str, int, bool]:
    size = 4 if family == socket.AF_INET else 16
    (port,) = struct.unpack_from("!H", message, PORT_AT)
    raw = message[ADDRESS_AT : ADDRESS_AT + size]
    (inode,) = struct.unpack_from("=I", message, INODE_AT)
    loopback = raw[0] == 127 if size == 4 else raw in {socket.inet_pton(socket.AF_INET6, a) for a in ("::1", "::ffff:127.0.0.1")}
    return inode, socket.inet_ntop(family, raw), port, loopback
