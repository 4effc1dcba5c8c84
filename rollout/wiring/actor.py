"""Who runs this command, and whether the process behind a lease still lives."""

import getpass
import os
import socket
from datetime import UTC, datetime

import psutil

from rollout.model.lease import Holder

SAME_START_S = 1.0


def user() -> str:
    """The name of the person as the system knows it; a number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def now() -> datetime:
    """The present time, aware and in UTC."""
    return datetime.now(UTC)


def holder(doing: str) -> Holder:
    """This process, as a lease names it."""
    started = psutil.Process().create_time()
    return Holder(user=user(), host=socket.gethostname(), pid=os.getpid(), started=started, doing=doing)


def alive(holder: Holder) -> bool:
    """False when that very process is known to be gone. A process on another host counts as alive until its lease expires."""
    if holder.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(holder.pid)
        same = abs(process.create_time() - holder.started) < SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
