"""What is seen of a home's host part from outside, without asking it: commands that only read load no more than this.

A home is its path here: the host part loads this too, and never the store.
"""

from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.lock import LOCK, locked

HOST_PART = "host-part"
KEPT = "kept"
"""In the folder of the host part: what keeps the host part itself, the edge, the names and the scheduler."""


def folder(home: Path) -> Path:
    """Where the host part has its files (0700)."""
    place = home / "host"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BrokenError(f"cannot make {place}: {error.strerror}", then="look at the permissions of the home") from error
    return place


def running(home: Path) -> bool:
    """The host part is kept (it may just be starting)."""
    return locked((folder(home) / KEPT).resolve() / HOST_PART)


def is_down(home: Path) -> bool:
    """A host part has been here and none is kept now: nothing that it kept runs."""
    return (home / "host" / LOCK).exists() and not running(home)


def own_version() -> str:
    """The version of this program."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 (who only looks needs no version)

    try:
        return version("rollout")
    except PackageNotFoundError:
        return "0"
