"""Who holds the locks of a file: what a person is told when the store is busy for too long."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

LOCKS = Path("/proc/locks")


def holders(path: str) -> Sequence[psutil.Process]:
    """Other processes that hold a lock on the file, those that write first; none where the system does not tell (not Linux)."""
    try:
        inode = os.stat(path).st_ino
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = dict(sorted(_held(lines, inode), key=lambda one: one[1]))
    return [process for pid in found if (process := _process(pid, path)) is not None]


def told(process: psutil.Process) -> tuple[str, str]:
    """Who it is (`process 4711 (rollout execute wave-1)`), and what to do about it."""
    try:
        words = process.cmdline()
        stopped = process.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return f"process {process.pid}", f"end it: kill {process.pid}"
    if words[1:3] == ["-m", "rollout"]:
        words = words[2:]
    who = f"process {process.pid} ({' '.join(words)[:80] or process.pid}{', which is suspended' if stopped else ''})"
    if stopped:
        return who, f"let it go on (kill -CONT {process.pid}) or end it (kill -KILL {process.pid}: what it had saved stays)"
    return who, f"wait for process {process.pid}, or end it (kill {process.pid})"


def _held(lines: Sequence[str], inode: int) -> Iterator[tuple[int, bool]]:
    """Pids with a lock on the inode, and whether it is only one for reading. Lines: `1: POSIX ADVISORY WRITE 42 00:1f:77 0 0`."""
    for line in lines:
        words = line.split()
        if "->" not in words and len(words) >= 6 and words[5].rpartition(":")[2] == str(inode):
            yield int(words[4]), words[3] != "WRITE"


def _process(pid: int, path: str) -> psutil.Process | None:
    """The process, if it has the file open: inodes alone are not unique. None for our own."""
    if pid <= 0 or pid == os.getpid():
        return None
    try:
        process = psutil.Process(pid)
        opened = any(file.path == path for file in process.open_files())
    except psutil.AccessDenied:
        return psutil.Process(pid)
    except psutil.Error:
        return None
    return process if opened else None
