"""The private network of a home as its host part holds it: the mesh, loaded when the first container joins."""

import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from rollout.host.network import Member, Network, NoNetwork
from rollout.host.ports import InstanceSpec
from rollout.host.rooms import Rooms
from rollout.wiring.able import here

FOLDER = "mesh"


def network(folder: Path, rooms: Rooms) -> Network:
    """That of the home whose host part has its files in `folder`; one that nobody is in where the machine lacks anything."""
    return OnDemand(folder / FOLDER, rooms) if here() else NoNetwork()


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
                from rollout.network.mesh.wireguard import tunnels  # noqa: PLC0415

                self._loaded = Mesh(self._folder, self._rooms, tunnels(self._folder))
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

    def address4_of(self, service: str) -> str:
        """See Network."""
        return self._mesh.address4_of(service)

    def dns_of(self, service: str) -> str:
        """See Network."""
        return self._mesh.dns_of(service)

    def lead(self, service: str, place: tuple[str, int] | None) -> None:
        """See Network."""
        self._mesh.lead(service, place)

    def held(self, service: str, address: str) -> int:
        """See Network."""
        return self._mesh.held(service, address)

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """See Network. Closed is what it is before anybody has joined."""
        if egress or self._used:
            self._mesh.set_egress(environment, egress=egress)

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
