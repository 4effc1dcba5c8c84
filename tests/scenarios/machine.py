"""What of a home, and of the engines beside it, is on this machine: containers, processes, mounts, links, routes, rules."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pyroute2 import IPRoute

from rollout.network.mesh.addresses import home_of
from rollout.network.mesh.marks import mark_of
from rollout.network.prefixes import kept
from tests.network.mesh.mesh_rigs import traces
from tests.runtimes.engines.real_engines import RealEngine

LIMIT_S = 40.0


def standing(home: Path, *engines: RealEngine) -> list[str]:
    """All of it, each thing by a name that is the same when it is looked at again. Engines that run are in it too."""
    mesh = home / "host/mesh"
    mark = mark_of(mesh)
    places = [str(home), mark.links, mark.namespaces, *(str(engine.root.parent) for engine in engines)]
    found = [f"container {engine.name} {one['Id']} {one['State']}" for engine in engines for one in engine.containers()]
    found += [*traces(mark), *_processes(home, places), *_mounts(places), *_routes(mesh)]
    return sorted(found + [f"rules {line}" for line in _tables() if mark.text in line])


def comes_to(expected: list[str], now: Callable[[], list[str]]) -> None:
    """What stands is just that, soon: engines tidy up behind an end."""
    limit = time.monotonic() + LIMIT_S
    while (found := now()) != expected and time.monotonic() < limit:
        time.sleep(0.1)
    more, less = [one for one in found if one not in expected], [one for one in expected if one not in found]
    assert found == expected, f"more: {more}\nless: {less}"


def _processes(home: Path, places: list[str]) -> Iterator[str]:
    """Those whose words or whose variable ROLLOUT_HOME name one of the places, but for ourselves."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            ours = f"ROLLOUT_HOME={home}\0".encode() in (folder / "environ").read_bytes()
            if words and int(folder.name) != os.getpid() and (ours or any(place in words for place in places)):
                yield f"process {words}"


def _mounts(places: list[str]) -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        where = line.split()[1]
        if any(place in where for place in places):
            yield f"mount {where}"


def _routes(mesh: Path) -> Iterator[str]:
    """In the host's own network none leads into any environment."""
    prefixes = {home_of(prefix).partition("::")[0] for prefix in kept(mesh).values()}
    with IPRoute() as kernel:
        for route in kernel.get_routes():
            to = str(route.get_attr("RTA_DST"))
            if any(to.startswith(prefix) for prefix in prefixes):
                yield f"route {to}"


def _tables() -> list[str]:
    env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    return subprocess.run(["nft", "list", "tables"], env=env, capture_output=True, text=True, check=True).stdout.splitlines()
