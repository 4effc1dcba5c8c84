"""Being in another network namespace for a moment: what is opened there stays there, the thread comes back.

By libc's setns through ctypes: Python has it from 3.12 on only, and a library for it would be loaded by every command that asks
an instance whether it is well.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rollout.errors import BrokenError

Opened = TypeVar("Opened")

OWN = "/proc/thread-self/ns/net"
STATUS = "/proc/self/status"
CAP_SYS_ADMIN = 21
CLONE_NEWNET = 0x40000000
POISONED = 70
"""Exit code of a process that could not come back."""


@contextmanager
def inside(path: str) -> Iterator[None]:
    """This thread is in the network namespace at `path`, and back in its own afterwards whatever happens.

    Sockets that are opened meanwhile belong to it for ever, and keep it alive while they are open; threads and processes that
    are started meanwhile are in it. BrokenError, with nothing done, where it is gone or may not be entered. If the way back
    fails the process ends at once (exit code 70): nothing of it would be where it believes to be.
    """
    own, there = _open_both(path)
    try:
        try:
            _enter(there)
        except OSError as error:
            raise _refused(path, error) from error
        finally:
            os.close(there)
        try:
            yield
        finally:
            _back(own)
    finally:
        os.close(own)


def open_inside(path: str, factory: Callable[[], Opened]) -> Opened:
    """What `factory` makes in the network namespace at `path`: a socket, say. Errors as of `inside` and of the factory."""
    with inside(path):
        return factory()


def may_enter() -> bool:
    """This process, and what it starts, may enter network namespaces."""
    if sys.platform != "linux":
        return False
    with open(STATUS, encoding="ascii", errors="replace") as lines:
        effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def _open_both(path: str) -> tuple[int, int]:
    if sys.platform != "linux":
        raise BrokenError("network namespaces are only on Linux", then="run the services as plain processes: --engine process")
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        return os.open(OWN, os.O_RDONLY | os.O_CLOEXEC), there
    except OSError as error:
        os.close(there)
        raise _refused(OWN, error) from error


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _back(own: int) -> None:
    try:
        _enter(own)
    except OSError as error:
        os.write(2, f"cannot leave a network namespace: {error.strerror}; this process ends\n".encode())
        os._exit(POISONED)


def _refused(path: str, error: OSError) -> BrokenError:
    if error.errno in {errno.ENOENT, errno.ESRCH, errno.EINVAL}:
        return BrokenError(f"there is no network namespace at {path}", then="rollout up makes the private network again")
    if error.errno in {errno.EPERM, errno.EACCES}:
        return BrokenError(f"may not enter the network namespace {path}", then="run the same command as root")
    return BrokenError(f"cannot enter the network namespace {path}: {error.strerror}", then="rollout doctor")
