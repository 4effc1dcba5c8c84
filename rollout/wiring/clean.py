"""`doctor --clean`: what is left of a home on this machine although nothing wants it. Looked for without the host part."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from rollout.errors import PartialError, RolloutError
from rollout.host import processes
from rollout.host.keep import MARK, SHIM, Keeper
from rollout.host.ledger import Ledger
from rollout.host.lock import locked
from rollout.model.fleet import EngineName
from rollout.operations.clean import Kind, Leftover, Wanted
from rollout.operations.subject import is_scheduler
from rollout.operations.updown import refuse_while_driven
from rollout.runtimes.engines import leftovers, sockets
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.labels import Labels
from rollout.store import placements
from rollout.store.database import FILE
from rollout.store.progress import Progress
from rollout.wiring.able import here
from rollout.wiring.actor import alive, now
from rollout.wiring.containers import DIALECTS, PODMAN, Containers
from rollout.wiring.home import Home
from rollout.wiring.host_desk import SCHEDULER, keeper, own_env
from rollout.wiring.private_network import FOLDER as MESH
from rollout.wiring.seen import folder, running

GRACE_S = 5.0
INSTANCES = "instances"


@dataclass(frozen=True, slots=True)
class Found:
    """A leftover, and what removes it; that is idempotent."""

    leftover: Leftover
    remove: Callable[[], object]


@contextmanager
def looked(home: Home) -> Iterator[tuple[Sequence[Found], Sequence[str]]]:
    """Leftovers of this home alone, and what could not be looked at; they can be removed until the end.

    What is there is found before the records are read, and records are written before anything is made: what is just being
    started is none. BrokenError, with nothing removed, where the records or a store that is there cannot be read.
    """
    where = folder(home.path)
    there: list[tuple[Kind, str, str, Callable[[], object], str]] = []
    silent: list[str] = []
    alone = _without_host_part(home)  # before a service of Podman's is started for looking
    with contextlib.ExitStack() as opened:
        for name in (EngineName.DOCKER, EngineName.PODMAN):
            try:
                there += _containers(opened.enter_context(_engine(name, home)), Labels.of_folder(where))
            except RolloutError as error:
                silent.append(error.what)
        there += _instances(where)
        wanted = _wanted(home)
        found = [Found(Leftover(kind=kind, name=n, told=told), end) for kind, n, told, end, of in there if not wanted.wants(of)]
        found += _unkept(where)
        found += alone if wanted.nothing else []
        found += _strays(where, wanted)
        yield sorted(found, key=lambda one: one.leftover), silent


def removed(found: Sequence[Found]) -> Sequence[Leftover]:
    """Those that are gone now: all. PartialError names what could not be removed, after all the rest."""
    gone, left = [], []
    for one in found:
        try:
            one.remove()
            gone.append(one.leftover)
        except RolloutError as error:
            left.append(f"{one.leftover.kind} {one.leftover.name}: {error.what}")
    if left:
        raise PartialError(f"{len(left)} could not be removed: {left[0]}", state=f"{len(gone)} are gone", then="rollout doctor")
    return gone


def refuse(home: Home) -> None:
    """LockedError while somebody drives: what is half way is no leftover then. A scheduler that only waits drives nothing."""
    if (home.path / FILE).exists():
        with home.opened() as database:
            leases = Progress(database).sight(states=(), limit=0).leases
            refuse_while_driven([one for one in leases if not is_scheduler(one.subject)], now(), alive, ours=())


def _wanted(home: Home) -> Wanted:
    held = {instance for record in Ledger(folder(home.path) / "services").records() for instance in record.held}
    if not (home.path / FILE).exists():
        return Wanted(held=held)
    with home.opened() as database, database.reading() as session:
        every = placements.every(session).values()
    return Wanted(held=held, placed={place.token for places in every for place in places})


@contextmanager
def _engine(name: EngineName, home: Home) -> Iterator[ContainerApi | None]:
    """The engine, asked; None where it is not here. A service of Podman's that is started for this is ended again."""
    keep, where = keeper(home.path), sockets.find(name, os.environ)
    mine, socket = None, where.socket
    if socket is None and not where.named and name is EngineName.PODMAN and sockets.program(name, os.environ):
        mine = Containers(folder(home.path), keep, own_env(home.path))
        socket = mine.podman_socket()
    api = ContainerApi(name.value, socket, DIALECTS[name].prefix, sleep=lambda _: None) if socket else None
    try:
        yield api
    finally:
        if api is not None:
            api.close()
        if mine is not None and not running(home.path):
            keep.stop(PODMAN, GRACE_S)
            mine.forget()


def _containers(api: ContainerApi | None, labels: Labels) -> list[tuple[Kind, str, str, Callable[[], object], str]]:
    if api is None:
        return []
    return [
        (
            Kind.SANDBOX if one.sandbox else Kind.CONTAINER,
            one.name,
            f"on {api.name}" + (f", of {one.service}" if one.service else ""),
            partial(leftovers.remove, api, one.container),
            one.instance,
        )
        for one in leftovers.labelled(api, labels)
    ]


def _instances(where: Path) -> list[tuple[Kind, str, str, Callable[[], object], str]]:
    """Plain processes that a shim keeps."""
    kept = Keeper(where / INSTANCES)

    def end(name: str) -> None:
        kept.stop(name, GRACE_S)
        kept.forget(name)

    return [(Kind.PROCESS, name, f"in {where / INSTANCES}", partial(end, name), name) for name in kept.names()]


def _without_host_part(home: Home) -> list[Found]:
    """What runs for the instances of a home although nobody looks after it. The scheduler serves plans too: it stays."""
    if running(home.path):
        return []
    keep = keeper(home.path)
    alive = [name for name in keep.names() if name != SCHEDULER and locked(keep.folder / name)]
    return [
        Found(Leftover(kind=Kind.PROCESS, name=name, told=f"in {keep.folder}"), partial(keep.stop, name, GRACE_S))
        for name in alive
    ]


def _unkept(where: Path) -> Iterator[Found]:
    """Processes that are kept, or keep others, although the folder that tells of them is gone."""
    places = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            env = process.environ()
            for variable in (SHIM, MARK):
                place = Path(env.get(variable, "/"))
                if place.is_relative_to(where.resolve()) and not place.exists():
                    places[place] = f"pid {process.pid}, its folder is gone"
    for place, told in sorted(places.items()):
        yield Found(Leftover(kind=Kind.PROCESS, name=place.name, told=told), partial(_sweep, place))


def _sweep(place: Path) -> None:
    for variable in (SHIM, MARK):
        processes.sweep(variable, str(place))


def _strays(where: Path, wanted: Wanted) -> Iterator[Found]:
    """Of the private network. What of it belongs to no instance ends by itself where the host part runs; here it ends now."""
    if sys.platform != "linux" or not here():
        return
    from rollout.network.mesh import strays  # noqa: PLC0415 (loads netlink, which is on Linux alone)

    marked = strays.Strays(where / MESH, wanted.wants)
    for name in marked.tunnels():
        yield Found(Leftover(kind=Kind.TUNNEL, name=name), partial(strays.end_tunnel, name))
    for path in marked.namespaces():
        yield Found(Leftover(kind=Kind.NAMESPACE, name=path), partial(strays.end_namespace, path))
    if name := marked.way_out():
        yield Found(Leftover(kind=Kind.RULES, name=name, told="of nft, for egress"), marked.end_way_out)
