"""Finding the host part of a home, starting it where it is needed, bringing everything up and down."""

import contextlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rollout.errors import BrokenError, HostGoneError, PartialError
from rollout.host.address import Address
from rollout.host.client import Client
from rollout.host.ledger import Ledger
from rollout.host.lock import locked
from rollout.host.shim_state import read
from rollout.operations.saying import Say, quiet
from rollout.operations.updown import Down, Up, refuse_while_driven
from rollout.store.database import FILE
from rollout.store.progress import Progress
from rollout.wiring.actor import alive, now
from rollout.wiring.containers import running_containers
from rollout.wiring.home import Home
from rollout.wiring.host_desk import SCHEDULER, HostWorld, check_edge, keeper, own
from rollout.wiring.part import client, running
from rollout.wiring.restore import bring_back
from rollout.wiring.seen import HOST_PART, folder, own_version

START_S = 20.0
LOOK_S = 0.02
TRIES = 2
GRACE_S = 10.0
UNWANTED = "no-scheduler"
"""The file in the host part's folder that holds the wish of `up --no-scheduler`, until the next `up`."""


def host_part(home: Home, *, start: bool = True, store: bool = True, say: Say = quiet) -> Client:
    """Asks the host part. Where there is none, it is started, with all that should run, and that is said.

    With `store=False` the store is not opened: what should run is then what the host part knows. With `start=False` nothing is
    started: every call is then a HostGoneError where there is none. BrokenError for a host part of another version: `rollout
    up` replaces it.
    """
    part = client(home)
    if not start:
        return part
    if _begin(home):
        back = bring_back(home, part, store=store)
        for problem in back.problems:
            say(problem)
        say(f"started the host part{brought_back(back.started)}; rollout down ends it")
    else:
        _check_version(part)
    return part


def brought_back(started: Sequence[str]) -> str:
    """`, brought back 3 instances`, or nothing."""
    return f", brought back {len(started)} instance{'s' if len(started) != 1 else ''}" if started else ""


def _check_version(part: Client) -> None:
    found = part.hello()["version"]
    if found != own_version():
        raise BrokenError(
            f"the host part is of version {found}, this command of {own_version()}",
            then="rollout up (replaces the host part; instances stay)",
        )


def _begin(home: Home) -> bool:
    """The host part answers; True when this call started it. BrokenError with its own words when it cannot."""
    keep = keeper(home.path)
    began = not running(home)
    if began:
        check_edge(home.path)
        keep.start(own(home.path, HOST_PART))
    part = Client(folder(home.path), own_version(), patience_s=0)
    limit = time.monotonic() + START_S
    while True:
        with contextlib.suppress(HostGoneError):
            part.hello()
            return began
        facts = keep.facts(HOST_PART)
        if time.monotonic() > limit or (began and facts and facts.restarts >= TRIES):
            said = "\n".join(keep.tail(HOST_PART, 4))
            if began:
                keep.stop(HOST_PART, 1)
            raise BrokenError("the host part cannot start", state=f"it said:\n{said}", then="rollout up")
        time.sleep(LOOK_S)


def up(home: Home, *, scheduler: bool) -> Up:
    """The host part of this version runs, and all that should run; a scheduler with `scheduler` alone: that wish is kept.

    PartialError names instances that could not be started; everything else runs then.
    """
    replaced = _end_other_version(home)
    _wish(home, scheduler=scheduler)
    if not scheduler:
        keeper(home.path).stop(SCHEDULER, GRACE_S)
    began = _begin(home)
    part = client(home)
    back = bring_back(home, part)
    if scheduler:
        keeper(home.path).start(own(home.path, SCHEDULER))
    if back.problems:
        raise PartialError(
            f"{len(back.problems)} could not be brought back: {back.problems[0]}",
            state=f"{len(back.started)} instances were started, all others run as before",
            then="rollout status",
        )
    place = part.hello()
    return Up(
        began=began,
        replaced=replaced,
        started=back.started,
        ended=back.ended,
        unknown=back.unknown,
        silent=back.silent,
        edge=place["edge"],
        dns=place["dns"],
        scheduler=scheduler,
    )


def keep_scheduler(home: Home) -> bool:
    """A scheduler is kept, as by `up`, wherever the host part runs; True when it is.

    False where no host part runs, and where `up --no-scheduler` asked for none.
    """
    if not running(home) or (folder(home.path) / UNWANTED).exists():
        return False
    keeper(home.path).start(own(home.path, SCHEDULER))
    return True


def _wish(home: Home, *, scheduler: bool) -> None:
    wish = folder(home.path) / UNWANTED
    try:
        if scheduler:
            wish.unlink(missing_ok=True)
        else:
            wish.touch(mode=0o600)
    except OSError as error:
        raise BrokenError(f"cannot write {wish}: {error.strerror}", then="look at its permissions, free some space") from error


def _end_other_version(home: Home) -> str:
    """No host part (and no scheduler) of another version runs; that version, or empty. Instances stay."""
    if not running(home):
        return ""
    found = client(home).hello()["version"]
    if found == own_version():
        return ""
    for name in (SCHEDULER, HOST_PART):
        keeper(home.path).stop(name, GRACE_S)
    return found


def what_is_up(home: Home) -> Down:
    """What `down` would end."""
    records = Ledger(folder(home.path) / "services").records()
    live = _kept_now(folder(home.path) / "instances") | running_containers(folder(home.path))
    strays = live.difference(*(record.held for record in records))
    counted = [(record.service, len(live & set(record.held))) for record in records]
    return Down(
        services=sorted((service, count) for service, count in counted if count),
        kept=sorted(_kept_now(keeper(home.path).folder)),
        strays=len(strays),
    )


def _kept_now(place: Path) -> set[str]:
    """Names of what a shim looks after."""
    return {path.name for path in place.iterdir() if locked(path)} if place.is_dir() else set()


def down(home: Home) -> Down:
    """Nothing of this home runs, no socket and no temporary file is left; nothing is forgotten. What was ended.

    LockedError, with nothing stopped, while somebody drives a wave. Where an engine cannot end what it runs, the rest is ended.
    """
    ended = what_is_up(home)
    keep = keeper(home.path)
    scheduler = read(keep.folder / SCHEDULER)
    if (home.path / FILE).exists():
        database = home.database()
        leases = Progress(database).sight(states=(), limit=0).leases
        database.close()
        refuse_while_driven(leases, now(), alive, ours=[scheduler.pid] if scheduler else [])
    for name in (SCHEDULER, HOST_PART):
        keep.stop(name, GRACE_S)
    world = HostWorld(home.path)
    try:
        world.desk.end_all()
    finally:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: keep.stop(name, GRACE_S), keep.names()))
    world.edge.close()
    world.engines.close()
    world.edge.forget()
    world.containers.forget()
    Address(folder(home.path)).remove()
    return ended
