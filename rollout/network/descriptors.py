"""Which sockets a process holds open, on Linux; also one whose open files are closed to us, as in containers without root.

The open files of a process can be read by its user alone. A container without root has further users, whom only the owner of
its user namespace may trace: who may trace may have a descriptor for a moment, and that tells what is behind it. Only libc's
`syscall` offers that to Python.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

PIDFD_GETFD = 438
"""Its number on every architecture (pidfd_getfd(2), Linux 5.6)."""


def sockets(pid: int) -> Iterator[int]:
    """Inodes of the sockets that a process holds open; none for one that is gone, or that we may neither read nor trace."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except PermissionError:
        yield from _by_tracing(pid)
        return
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


def _by_tracing(pid: int) -> Iterator[int]:
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
        for number in range(_room(pid)):
            found = call(PIDFD_GETFD, process, number, 0)
            if found >= 0:
                yield from _socket(found)
            elif ctypes.get_errno() != errno.EBADF:  # that number is free; all else is of the process
                return
    finally:
        os.close(process)


def _socket(descriptor: int) -> Iterator[int]:
    """Its inode where it is one. The descriptor is ours, and closed."""
    try:
        about = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if stat.S_ISSOCK(about.st_mode):
        yield about.st_ino


def _room(pid: int) -> int:
    """No descriptor of the process has this number or a higher one."""
    with suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return int(status.read().partition("FDSize:")[2].split()[0])
    return 0
