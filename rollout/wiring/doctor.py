"""`doctor`: the machine, and the home that is found, looked at from outside; nothing is started, made or changed."""

import os
from collections.abc import Iterator
from pathlib import Path

from rollout.errors import RolloutError
from rollout.host.client import Client
from rollout.host.lock import locked
from rollout.network import prefixes
from rollout.operations.doctor import Finding, bad, good, missing
from rollout.store import checkup
from rollout.store.database import FILE
from rollout.wiring import able, environment, machine
from rollout.wiring.actor import now
from rollout.wiring.home import Home, find
from rollout.wiring.host_desk import SCHEDULER, keeper
from rollout.wiring.part import running
from rollout.wiring.private_network import FOLDER as MESH
from rollout.wiring.seen import folder, own_version

ELSEWHERE_S = 60.0
PATIENCE_S = 3.0


def findings() -> Iterator[Finding]:
    """Everything that was looked at, in the order in which it is told; each is looked at when it is asked for."""
    try:
        home, why = find(), ""
    except RolloutError as error:
        home, why = None, error.what
    yield from machine.machine(home.path if home else Path.cwd())
    if home is None:
        yield missing("home", why, "rollout service add NAME …, or rollout demo")
    else:
        yield _home(home)
        yield _store(home)
        yield _clock(home)
        yield _host_part(home)
        yield _scheduler(home)
        yield from _egress(home)
    yield from machine.later()


def _home(home: Home) -> Finding:
    mode = home.path.stat().st_mode & 0o777
    if not os.access(home.path, os.R_OK | os.W_OK | os.X_OK):
        return bad("home", f"{home.path} cannot be written by this user", "run as its owner, or set ROLLOUT_HOME")
    if mode & 0o077:
        return missing("home", f"{home.path} is open to others ({mode:03o}): it holds secrets", f"chmod 700 {home.path}")
    return good("home", str(home.path))


def _store(home: Home) -> Finding:
    path = home.path / FILE
    if not path.exists():
        return good("store", "none yet: the first command that writes makes it")
    try:
        seen = checkup.look(path)
    except OSError as error:
        return bad("store", f"{path}: {error.strerror}", "look at its permissions")
    if seen.damage:
        return bad("store", f"{path}: {seen.damage}", f"rollout down; move {path} away and put a backup in its place")
    if seen.newer:
        return bad("store", f"written by a newer rollout (schema {', '.join(seen.newer)})", "pip install --upgrade rollout")
    return good("store", f"schema {', '.join(seen.schema) or 'none yet'}, {seen.bytes / 1024**2:.1f} MiB")


def _clock(home: Home) -> Finding:
    """The clock has not gone back behind what was written here."""
    written = max((path.stat().st_mtime for path in (home.path, home.path / FILE) if path.exists()), default=0.0)
    behind = written - now().timestamp()
    if behind > ELSEWHERE_S:
        return bad("clock", f"{behind:.0f} s behind what was written in the home", "set the clock: timedatectl set-ntp true")
    return good("clock", f"{now():%Y-%m-%d %H:%M:%S} UTC")


def _host_part(home: Home) -> Finding:
    if not running(home):
        return missing("host part", "does not run; the first command that needs it starts it", "rollout up")
    try:
        place = Client(folder(home.path), own_version(), patience_s=PATIENCE_S).hello()
    except RolloutError as error:
        return bad("host part", f"does not answer: {error.what}", "rollout up")
    if place["version"] != own_version():
        return bad("host part", f"is of version {place['version']}, this command of {own_version()}", "rollout up")
    return good("host part", f"runs; edge {place['edge']}, names {place['dns']}")


def _scheduler(home: Home) -> Finding:
    if locked(keeper(home.path).folder / SCHEDULER):
        return good("scheduler", "runs")
    return missing("scheduler", "does not run: nothing finishes or begins by itself", "rollout up")


def _egress(home: Home) -> Iterator[Finding]:
    """Where an environment is open, whether this host lets it out."""
    names = prefixes.opened(folder(home.path) / MESH)
    if not names or not able.here():
        return
    if not (closed := environment.closed_by(home)):
        yield good("egress", f"open for {', '.join(names)}")
        return
    where = " and the ".join(closed)
    told = f"wanted open for {', '.join(names)}, but the {where} of this host drops what is forwarded (Docker sets that)"
    yield missing("egress", told, "; ".join(closed.values()))
