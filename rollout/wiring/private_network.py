"""The private network of a home, where this machine lets us make one; else what it lacks for that, and what gives it that."""

import os
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from rollout.host.network import Member, Network, NoNetwork
from rollout.host.ports import InstanceSpec
from rollout.host.rooms import Rooms
from rollout.runtimes.engines.sockets import which

FOLDER = "mesh"
TUN, IPV6 = Path("/dev/net/tun"), Path("/proc/net/if_inet6")
CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21}
STATUS = Path("/proc/self/status")


def lacking() -> Iterator[tuple[str, str]]:
    """What this machine, or this user, lacks for a private network, and the command that helps."""
    if sys.platform != "linux":
        yield "it is not Linux", "run rollout on Linux, as root"
        return
    if absent := [name for name, bit in CAPABILITIES.items() if not _effective() >> bit & 1]:
        yield f"no {' and '.join(absent)}", "run rollout as root"
    if not TUN.exists():
        yield f"no {TUN}", "modprobe tun"
    if not IPV6.exists():
        yield "no IPv6", "start the kernel without ipv6.disable=1"
    if which("wireguard-go", os.environ) is None:
        yield "no wireguard-go", "apt-get install wireguard-go"
    if which("nft", os.environ) is None:
        yield "no nft", "apt-get install nftables"


def network(folder: Path, rooms: Rooms) -> Network:
    """That of the home whose host part has its files in `folder`; one that nobody is in where the machine lacks anything."""
    return OnDemand(folder / FOLDER, rooms) if here() else NoNetwork()


def here() -> bool:
    """Containers of this machine are in a private network, when this user runs them."""
    return not any(lacking())


def _effective() -> int:
    """The capabilities of this process, as bits (capabilities(7))."""
    told = STATUS.read_text(encoding="ascii", errors="replace")
    return int(told.partition("CapEff:")[2].split()[0], 16)


class OnDemand:
    """Fulfils Network: the mesh, from the first container on. What it takes is loaded then: about a second, and 20 MB."""

    def __init__(self, folder: Path, rooms: Rooms) -> None:
        self._folder = folder
        self._rooms = rooms
        self._loading = threading.Lock()
        self._loaded: Network | None = None

    @property
    def _mesh(self) -> Network:
        with self._loading:
            if self._loaded is None:
                from rollout.network.mesh.mesh import Mesh  # noqa: PLC0415 (homes without containers do without)
                from rollout.network.mesh.userspace import UserspaceTunnels  # noqa: PLC0415

                self._loaded = Mesh(self._folder, self._rooms, UserspaceTunnels())
            return self._loaded

    @property
    def _used(self) -> bool:
        """There is something of it on disk."""
        return self._folder.exists()

    def covers(self, spec: InstanceSpec) -> bool:
        """Containers."""
        return bool(spec.image)

    def prepare(self, spec: InstanceSpec) -> Member:
        """See Network."""
        return self._mesh.prepare(spec)

    def patch(self, spec: InstanceSpec, pid: int) -> Member:
        """See Network."""
        return self._mesh.patch(spec, pid)

    def member(self, instance: str) -> Member | None:
        """See Network."""
        return self._mesh.member(instance) if self._used else None

    def address_of(self, service: str) -> str:
        """See Network."""
        return self._mesh.address_of(service)

    def dns_of(self, service: str) -> str:
        """See Network."""
        return self._mesh.dns_of(service)

    def lead(self, service: str, place: tuple[str, int] | None) -> None:
        """See Network."""
        self._mesh.lead(service, place)

    def held(self, service: str, address: str) -> int:
        """See Network."""
        return self._mesh.held(service, address)

    def leave(self, instance: str) -> None:
        """See Network."""
        if self._used:
            self._mesh.leave(instance)

    def keep(self, wanted: Collection[str]) -> Sequence[str]:
        """See Network."""
        return self._mesh.keep(wanted) if self._used else ()

    def close(self) -> None:
        """See Network."""
        if self._used:
            self._mesh.close()
