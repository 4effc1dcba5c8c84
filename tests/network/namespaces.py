"""Real network namespaces for tests: held by a descriptor of the test process alone, so that nothing is left behind."""

import ctypes
import fcntl
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.network.inside import CLONE_NEWNET, inside

SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
UP = 1
LOOPBACK_INDEX = 1


@contextmanager
def namespace(*addresses: str) -> Iterator[str]:
    """The path of a fresh network namespace whose loopback is up and has these addresses besides its own."""
    descriptor = _made()
    try:
        path = f"/proc/{os.getpid()}/fd/{descriptor}"
        with inside(path):
            _loopback_up()
        for address in addresses:
            give(path, address)
        yield path
    finally:
        os.close(descriptor)


def give(path: str, address: str) -> None:
    """Its loopback has this address too; of IPv4 addresses one alone."""
    if ":" not in address:
        name = struct.pack("=16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton(address))
        with inside(path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
            fcntl.ioctl(kernel, SIOCSIFADDR, name)
        return
    with inside(path), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as kernel:
        fcntl.ioctl(kernel, SIOCSIFADDR, struct.pack("=16sIi", socket.inet_pton(socket.AF_INET6, address), 128, LOOPBACK_INDEX))
    limit = time.monotonic() + 10
    while not _can_be_bound(path, address) and time.monotonic() < limit:  # the kernel looks at it in a thread of its own first
        time.sleep(0.001)


def inode(path: str) -> int:
    """What tells one namespace from another."""
    return os.stat(path).st_ino


def _can_be_bound(path: str, address: str) -> bool:
    with inside(path), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _made() -> int:
    """Made by a thread that ends at once: nobody is left in a namespace that is not its own."""
    found: list[int] = []

    def make() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        found.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return found[0]


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        fcntl.ioctl(kernel, SIOCSIFFLAGS, struct.pack("=16sH14x", b"lo", UP))
