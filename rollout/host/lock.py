"""Locks that tell whether something lives: the host part, or the shim of what it keeps. They ask nobody and load nothing."""

import fcntl
import os
from pathlib import Path

LOCK = "daemon.lock"
"""The file in the host part's folder that it holds locked while it lives, and that stays when it ends."""


def locked(place: Path) -> bool:
    """A shim whose folder this is, or its guard, lives."""
    try:
        descriptor = os.open(place / "lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
