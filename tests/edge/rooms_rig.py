"""A room as the private network makes it, without its tunnels: a namespace with the services' addresses and the redirect to the
edge, and one instance in a namespace of its own, whose only way out leads into the room."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

import httpx

from rollout.contract.edge_rig import LIMIT_S, HttpCopy
from rollout.host.rooms import Room
from rollout.network.inside import inside, open_inside
from tests.network.namespaces import namespace

RULES = """
table ip6 mesh {{
  chain pre {{
    type nat hook prerouting priority dstnat
    ip6 daddr {services} meta l4proto tcp redirect to :10000
  }}
}}
"""
DEAF = """
table ip6 deaf {
  chain input {
    type filter hook input priority 0
    tcp flags & (syn | ack) == syn counter drop
  }
}
"""


@dataclass(slots=True, kw_only=True)
class RealRoom:
    """`number`: the environment's place in the home. `instance`: path of the instance's namespace. All ends with `stack`."""

    number: int
    room: Room
    instance: str
    stack: ExitStack
    _copies: int = field(default=0)

    def service(self, number: int) -> str:
        """The stable address of a service."""
        return f"fd12:3456:789a:{self.number:x}:5::{number:x}"

    def copy(self, name: str, *, ipv4: bool = False) -> HttpCopy:
        """A copy that listens in the instance's namespace, by one family of addresses alone."""
        self._copies += 1
        host = f"100.64.{self.number}.2" if ipv4 else f"fd12:3456:789a:{self.number:x}::1:0:2"
        made = open_inside(self.instance, lambda: HttpCopy(name, (host, 8080 + self._copies)))
        self.stack.callback(made.end)
        return made

    @contextmanager
    def deaf(self) -> Iterator[Callable[[], bool]]:
        """The instance loses whatever asks for a connection; whether it has lost any, and none more once the block has ended."""
        _run(self.instance, "nft", "-f", "-", given=DEAF)
        try:
            yield lambda: "packets 0 " not in _run(self.instance, "nft", "list", "table", "ip6", "deaf")
        finally:
            _run(self.instance, "nft", "delete", "table", "ip6", "deaf")

    def client(self, address: str, host: str = "", port: int = 80) -> httpx.Client:
        """Asks from the instance."""
        headers = {"Host": host} if host else {}
        inside = Inside(self.instance)
        return httpx.Client(base_url=f"http://[{address}]:{port}", headers=headers, timeout=LIMIT_S, transport=inside)


class Inside(httpx.HTTPTransport):
    """Its connections begin in a network namespace."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with inside(self._path):
            return super().handle_request(request)


@contextmanager
def room(number: int, environment: str) -> Iterator[RealRoom]:
    """A fresh one, and nothing of it afterwards."""
    prefix = f"fd12:3456:789a:{number:x}::"
    with ExitStack() as stack:
        held, instance = stack.enter_context(namespace()), stack.enter_context(namespace())
        path = f"{stack.enter_context(TemporaryDirectory(prefix='rollout-room-'))}/{environment}"
        os.symlink(held, path)  # never the path of another room, as a descriptor's number is
        services = f"{prefix.removesuffix(':')}5::/80"
        _run(path, "ip", "link", "add", "hub", "type", "veth", "peer", "name", "mesh0", "netns", instance)
        _up(path, "hub", f"{prefix}1:0:1", f"100.64.{number}.1")
        _up(instance, "mesh0", f"{prefix}1:0:2", f"100.64.{number}.2")
        _run(instance, "ip", "-6", "route", "add", services, "via", f"{prefix}1:0:1")
        _run(path, "ip", "-6", "route", "add", "local", services, "dev", "lo")
        _run(path, "nft", "-f", "-", given=RULES.format(services=services))
        found = Room(environment=environment, path=path, prefix=f"{prefix}/64", dns=f"{prefix}53")
        yield RealRoom(number=number, room=found, instance=instance, stack=stack)


def _up(path: str, link: str, address: str, address4: str) -> None:
    _run(path, "ip", "link", "set", link, "up")
    _run(path, "ip", "address", "add", f"{address}/64", "dev", link, "nodad")
    _run(path, "ip", "address", "add", f"{address4}/24", "dev", link)


def _run(path: str, *argv: str, given: str = "") -> str:
    with inside(path):
        done = subprocess.run(argv, input=given, text=True, capture_output=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout
