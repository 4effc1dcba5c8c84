"""An environment on two hosts: two network namespaces with an underlay between them, each with a mesh, names and an edge."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from rollout.contract.edge_rig import RunningEdge
from rollout.host.ports import Route
from rollout.host.rooms import Rooms
from rollout.network.dns_rooms import RoomNames
from rollout.network.inside import inside
from rollout.network.mesh import namespaces
from rollout.network.mesh.mesh import Mesh
from rollout.network.names import NamesFolder
from tests.network.mesh.mesh_rigs import closing, instance

NEAR, FAR = "fd99::1", "fd99::2"


class Serving:
    """Names and edge of a host, each from its first use on."""

    def __init__(self, home: Path, mesh: Mesh) -> None:
        self._home = home
        self._mesh = mesh
        self._rooms = Rooms(home / "host/rooms")
        self._stack = ExitStack()

    def __enter__(self) -> "Serving":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def names(self) -> NamesFolder:
        folder = NamesFolder(self._home / "names", "127.0.0.1:1")
        self._stack.callback(RoomNames(str(folder.folder), self._rooms).close)
        return folder

    @cached_property
    def edge(self) -> RunningEdge:
        return self._stack.enter_context(RunningEdge(self._home / "edge"))

    def serve(self, service: str, *copies: str) -> None:
        """The edge leads what is asked of the service's address to these."""
        environment, _, name = service.partition("/")
        address, host_name = self._mesh.address_of(service), f"{name}.{environment}.internal"
        self.edge.edge.rooms(self._rooms.all())
        self.edge.edge.write(
            Route(host_name=host_name, legacy=(), v2=copies, weight=100, environment=environment, address=address)
        )


class Host:
    """A mesh in a process whose network namespace is the host's. What it is told: one call a line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, what: str, *arguments: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def serve(home: Path, number: int) -> None:
    """What runs in the process."""
    with closing(home, host=number) as mesh, Serving(home, mesh) as serving:
        acts = {
            "prepare": lambda name, service: asdict(mesh.prepare(instance(name, service))),
            "hub": lambda environment: asdict(mesh.hub(environment)),
            "neighbour": mesh.neighbour,
            "keep": lambda *wanted: mesh.keep(wanted),
            "egress": lambda environment, wish: mesh.set_egress(environment, egress=wish == "open"),
            "leave": mesh.leave,
            "close": mesh.close,
            "address": mesh.address_of,
            "address4": mesh.address4_of,
            "lead": lambda service, *place: mesh.lead(service, place or None),
            "held": mesh.held,
            "publish": serving.names.publish,
            "withdraw": serving.names.withdraw,
            "serve": serving.serve,
        }
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(acts[what](*arguments)), flush=True)


@contextmanager
def host(home: Path, number: int, namespace: str) -> Iterator[Host]:
    code = "import sys; from pathlib import Path; from tests.network.mesh.two_hosts import serve; serve(Path(sys.argv[1]), "
    command = ["nsenter", f"--net={namespace}", sys.executable, "-c", f"{code}{number})", str(home)]
    with closing(home), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Host(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


@contextmanager
def underlay(mesh: Mesh, name: str = "host") -> Iterator[tuple[str, str]]:
    """Paths of two empty hosts, NEAR and FAR, with one plain cable between them."""
    paths = tuple(f"/run/netns/{mesh.mark.namespaces}{name}{number}" for number in (1, 2))
    try:
        for path in paths:
            namespaces.make(path)
        with inside(paths[0]), IPRoute() as kernel:
            kernel.link("add", ifname="cable", kind="veth", peer={"ifname": "cable", "net_ns_fd": paths[1]})
        for path, address in zip(paths, (NEAR, FAR), strict=True):
            with inside(path), IPRoute() as kernel:
                kernel.link("set", index=1, state="up")
                index = kernel.link_lookup(ifname="cable")[0]
                kernel.addr("add", index=index, address=address, prefixlen=64, flags=2)
                kernel.link("set", index=index, state="up")
        yield paths[0], paths[1]
    finally:
        for path in paths:
            namespaces.drop(path)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both hosts, their paths, and on each an instance `client` of the environment `prod`, which goes on at the other one."""

    hosts: tuple[Host, Host]
    paths: tuple[str, str]
    clients: tuple[dict[str, Any], dict[str, Any]]


@contextmanager
def pair(mesh: Mesh, folder: Path) -> Iterator[Pair]:
    """Nothing of it is left. `mesh` gives the mark alone."""
    with ExitStack() as stack:
        paths = stack.enter_context(underlay(mesh))
        first = stack.enter_context(host(folder / "first", 1, paths[0]))
        second = stack.enter_context(host(folder / "second", 2, paths[1]))
        one, hub = first("prepare", "client", "prod/client"), first("hub", "prod")
        second("neighbour", "prod", hub["public_key"], f"[{NEAR}]:{hub['port']}", hub["here"])
        other, back = second("prepare", "client", "prod/client"), second("hub", "prod")
        first("neighbour", "prod", back["public_key"], f"[{FAR}]:{back['port']}", back["here"])
        yield Pair((first, second), paths, (one, other))
