"""Who runs this command, and whether the process behind a lease still lives."""

import getpass
import os
import socket
from datetime import UTC, datetime

from rollout.errors import UsageError
from rollout.executor.ports import LEASE_S
from rollout.model.lease import Holder
from rollout.store.database import Database
from rollout.store.leases import StoreLeases

SAME_START_S = 1.0
LASTS = "ROLLOUT_LEASE_S"
"""Setting: a driver that has not been heard of for so many seconds is taken over. All commands on a home must agree."""
SHORTEST_S = 0.5


def user() -> str:
    """The name of the person as the system knows it; a number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def scheduler() -> str:
    """The scheduler, as the log names it: `scheduler (ann@host)`."""
    return f"scheduler ({user()}@{host()})"


def now() -> datetime:
    """The present time, aware and in UTC."""
    return datetime.now(UTC)


def holder(doing: str, who: str = "") -> Holder:
    """This process, as a lease names it; `who` in place of the person."""
    import psutil  # noqa: PLC0415 (commands that only read hardly ever need it)

    started = psutil.Process().create_time()
    return Holder(user=who or user(), host=socket.gethostname(), pid=os.getpid(), started=started, doing=doing)


def leases(database: Database) -> StoreLeases:
    """Who drives what in this store. UsageError where ROLLOUT_LEASE_S is no time that a lease may last."""
    return StoreLeases(database, now, alive, lasts_s=_lasts_s())


def _lasts_s() -> float:
    named = os.environ.get(LASTS)
    if not named:
        return LEASE_S
    try:
        seconds = float(named)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_S <= seconds < float("inf"):
        raise UsageError(f"{LASTS}={named} is no time", then=f"set it to seconds, at least {SHORTEST_S:g}; default {LEASE_S:g}")
    return seconds


def alive(holder: Holder) -> bool:
    """False when that very process is known to be gone. A process on another host counts as alive until its lease expires."""
    if holder.host != socket.gethostname():
        return True
    import psutil  # noqa: PLC0415 (as above)

    try:
        process = psutil.Process(holder.pid)
        same = abs(process.create_time() - holder.started) < SAME_START_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
