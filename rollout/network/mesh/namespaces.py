"""Network namespaces that live as long as a file in /run/netns does, as `ip netns` keeps them too."""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from rollout.errors import BrokenError
from rollout.network.mesh.marks import NAMESPACES

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 1 << 20
MNT_DETACH = 2
Done = TypeVar("Done")
OWN = "/proc/self/ns/net"
THIS_THREAD = "/proc/thread-self/ns/net"


def make(path: str) -> None:
    """An empty network namespace stands at `path`; one that stands there already is left as it is. BrokenError."""
    if not inode(path):
        _in_a_thread(lambda: _unshare_and_bind(path))


def nowhere(work: Callable[[], Done]) -> Done:
    """Done in an empty network namespace that is gone again on return, or with this process. BrokenError, and what it raises."""

    def apart() -> Done:
        _call("unshare", _libc().unshare(CLONE_NEWNET), "for a moment")
        return work()

    return _in_a_thread(apart)


def bind(pid: int, path: str) -> None:
    """The network namespace of this process stands at `path`, whatever stood there before, also after the process's end.

    BrokenError where the process is gone, or where it is in our own network namespace.
    """
    theirs = f"/proc/{pid}/ns/net"
    if inode(theirs) == inode(OWN):
        raise BrokenError(f"process {pid} shares the host's own network", state="it was not touched", then="rollout doctor")
    drop(path)
    _bind(theirs, path)


def drop(path: str) -> None:
    """Nothing stands at `path`; the namespace is gone as soon as nobody is in it. Idempotent."""
    while _libc().umount2(os.fsencode(path), MNT_DETACH) == 0:
        pass
    Path(path).unlink(missing_ok=True)


def inode(path: str) -> int:
    """What names the namespace at `path` as long as it lives; 0 where none stands."""
    try:
        found, own = os.stat(path), os.stat(OWN)
    except OSError:
        return 0
    return found.st_ino if found.st_dev == own.st_dev else 0


def strays(prefix: str) -> Sequence[str]:
    """Paths of all whose name begins so."""
    try:
        return sorted(str(NAMESPACES / name) for name in os.listdir(NAMESPACES) if name.startswith(prefix))
    except FileNotFoundError:
        return []


def tidy() -> None:
    """/run/netns is as it was before the first namespace, if nobody has any in it."""
    with alone(), suppress(OSError):
        if not os.listdir(NAMESPACES) and _libc().umount2(os.fsencode(NAMESPACES), 0) == 0:
            NAMESPACES.rmdir()


def _unshare_and_bind(path: str) -> None:
    _call("unshare", _libc().unshare(CLONE_NEWNET), path)
    _bind(THIS_THREAD, path)


def _bind(source: str, path: str) -> None:
    try:
        _touch(path)
    except OSError as error:
        raise BrokenError(f"cannot write {path}: {error.strerror}", then="rollout doctor") from error
    if _libc().mount(os.fsencode(source), os.fsencode(path), b"none", MS_BIND, None):
        number = ctypes.get_errno()
        Path(path).unlink(missing_ok=True)
        raise BrokenError(f"cannot keep the network namespace {source}: {os.strerror(number)}", then="rollout doctor")


def _touch(path: str) -> None:
    with alone():
        _share()
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else, thread or other home, makes or removes the folder meanwhile."""
    folder = os.open(NAMESPACES.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _share() -> None:
    """/run/netns is a mount of its own that other mount namespaces follow: what `ip netns` does, which would else hide ours."""
    NAMESPACES.mkdir(mode=0o755, parents=True, exist_ok=True)
    place, libc = os.fsencode(NAMESPACES), _libc()
    if libc.mount(b"", place, b"none", MS_SHARED | MS_REC, None) and ctypes.get_errno() == errno.EINVAL:
        _call("mount", libc.mount(place, place, b"none", MS_BIND | MS_REC, None), str(NAMESPACES))
        _call("mount", libc.mount(b"", place, b"none", MS_SHARED | MS_REC, None), str(NAMESPACES))


def _call(what: str, result: int, path: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise BrokenError(f"cannot make the network namespace {path} ({what}): {os.strerror(number)}", then="rollout doctor")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _in_a_thread(work: Callable[[], Done]) -> Done:
    """In a thread that ends thereafter: nobody has to find the way back from the namespace that it makes."""
    with ThreadPoolExecutor(1, "namespace") as one:
        return one.submit(work).result()
