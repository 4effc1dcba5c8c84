"""A report of the home, and its file."""

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rollout.errors import BrokenError, UsageError
from rollout.operations import report as reporting
from rollout.operations.report import Report, Scope
from rollout.operations.subject import wave_number
from rollout.wiring import actor
from rollout.wiring.home import find

BEGIN = b"<!doctype html>"
UNTOUCHED = "no file was changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person typed; None: everything."""

    since: timedelta | None = None
    plan: str | None = None
    wave: str | None = None


def read(asked: Asked) -> Report:
    """The report of the home. UsageError for an unknown plan or wave."""
    home, now = find(), actor.now()
    try:
        since = None if asked.since is None else now - asked.since
    except OverflowError:
        since = None
    wave = None if asked.wave is None else wave_number(asked.wave)
    with home.opened() as database:
        return reporting.report(database, Scope(since=since, plan=asked.plan, wave=wave), home=str(home.path), now=now)


def check(path: Path) -> None:
    """The file can be written, and is not a file of another kind. UsageError or BrokenError."""
    try:
        kind = path.stat().st_mode
        page = not stat.S_ISREG(kind) or _first(path) in {BEGIN, b""}
    except FileNotFoundError:
        kind, page = 0, True
    except OSError as error:
        raise _unwritable(path, error) from error
    if stat.S_ISDIR(kind):
        raise UsageError(f"{path} is a folder", state=UNTOUCHED, then=f"rollout report --html {path / 'report.html'}")
    if not page:
        raise UsageError(f"{path} is not an HTML page; it was not replaced", state=UNTOUCHED, then="name another file")


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(BEGIN)).lower()


def write(page: str, path: Path) -> int:
    """The file has the page, all or nothing; how many bytes. What is no plain file (`/dev/stdout`) is written to as it is."""
    data = page.encode("utf-8", "replace")
    target = path.resolve() if path.is_file() else path
    beside = target.with_name(f".{target.name[:100]}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            beside.write_bytes(data)
            beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return len(data)


def _unwritable(path: Path, error: OSError) -> BrokenError:
    then = "name a file in a folder that is there and that this user can write"
    return BrokenError(f"cannot write {path}: {error.strerror}", state=UNTOUCHED, then=then)
