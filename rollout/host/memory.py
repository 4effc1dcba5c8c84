"""Edge, names, ports and private network in memory: for tests of whoever uses the host part, and for `--dry-run`."""

import itertools
from collections.abc import Callable, Collection, Sequence

from rollout.host.network import Member
from rollout.host.ports import InstanceSpec, Route
from rollout.host.rooms import Room


class MemoryEdge:
    """Fulfils EdgeWriter. `routes` by host name; `listening`: the rooms; `busy`: open requests by address, set by tests."""

    def __init__(self, address: str = "127.0.0.1:1") -> None:
        self.routes: dict[str, Route] = {}
        self.listening: tuple[Room, ...] = ()
        self.busy: dict[str, int] = {}
        self._address = address

    def write(self, route: Route) -> None:
        """The route is kept."""
        self.routes[route.host_name] = route

    def remove(self, host_name: str) -> None:
        """The name is unknown."""
        self.routes.pop(host_name, None)

    def rooms(self, rooms: Sequence[Room]) -> None:
        """These are kept."""
        self.listening = tuple(rooms)

    def in_flight(self, addresses: Sequence[str]) -> int:
        """The sum of `busy` over these addresses."""
        return sum(self.busy.get(address, 0) for address in set(addresses))

    def address(self) -> str:
        """Where the edge would listen."""
        return self._address


class MemoryNames:
    """Fulfils Names. `known`: address and port by name."""

    def __init__(self, address: str = "127.0.0.1:2") -> None:
        self.known: dict[str, tuple[str, int]] = {}
        self._address = address

    def publish(self, name: str, address: str, port: int) -> None:
        """The name is known."""
        self.known[name] = (address, port)

    def withdraw(self, name: str) -> None:
        """The name is unknown."""
        self.known.pop(name, None)

    def address(self) -> str:
        """Where the DNS server would listen."""
        return self._address


class MemoryPorts:
    """Fulfils Ports. Hands out 20001, 20002, …; `held`: who listens on a port, set by tests."""

    def __init__(self) -> None:
        self.held: dict[int, str] = {}

    def free(self, taken: Collection[int]) -> int:
        """The next port that is neither taken nor held."""
        return next(port for port in range(20001, 60000) if port not in taken and port not in self.held)

    def holder(self, port: int) -> str:
        """Who holds it."""
        return self.held.get(port, "")


class MemoryNetwork:
    """Fulfils Network. `covered` says of whom; `members` are in it."""

    def __init__(self, covered: Callable[[InstanceSpec], bool] = lambda spec: bool(spec.image)) -> None:
        self._covered = covered
        self._numbers = itertools.count(2)
        self._services: dict[str, str] = {}
        self.members: dict[str, Member] = {}
        self.leads: dict[str, tuple[str, int]] = {}
        self.connections: dict[tuple[str, str], int] = {}
        self.closed = False

    def covers(self, spec: InstanceSpec) -> bool:
        """As it was told."""
        return self._covered(spec)

    def prepare(self, spec: InstanceSpec) -> Member:
        """A member with a namespace by path."""
        return self._member(spec, f"/run/netns/{spec.id}")

    def patch(self, spec: InstanceSpec, pid: int) -> Member:
        """A member in the namespace of that process."""
        return self._member(spec, f"/proc/{pid}/ns/net")

    def _member(self, spec: InstanceSpec, namespace: str) -> Member:
        known = self.members.get(spec.id)
        number = int(known.address4.rpartition(".")[2]) if known else next(self._numbers)
        member = Member(
            instance=spec.id,
            address=f"fd00::1:0:{number:x}",
            address4=f"100.64.0.{number}",
            namespace=namespace,
            dns=self.dns_of(spec.service),
        )
        self.members[spec.id] = member
        return member

    def member(self, instance: str) -> Member | None:
        """As it joined last."""
        return self.members.get(instance)

    def address_of(self, service: str) -> str:
        """One for each service, in the order in which they are asked for."""
        return self._services.setdefault(service, f"fd00::5:0:0:{len(self._services) + 1:x}")

    def address4_of(self, service: str) -> str:
        """The same number."""
        return f"100.64.128.{int(self.address_of(service).rpartition(':')[2], 16)}"

    def dns_of(self, _service: str) -> str:
        """The same for all."""
        return "fd00::53"

    def lead(self, service: str, place: tuple[str, int] | None) -> None:
        """As `leads` says then."""
        self.leads.pop(service, None)
        if place:
            self.leads[service] = place

    def held(self, service: str, address: str) -> int:
        """As it was told in `connections`."""
        return self.connections.get((service, address), 0)

    def leave(self, instance: str) -> None:
        """It is no member."""
        self.members.pop(instance, None)

    def keep(self, wanted: Collection[str]) -> Sequence[str]:
        """Whoever is not wanted is no member."""
        gone = sorted(self.members.keys() - set(wanted))
        for instance in gone:
            del self.members[instance]
        return [f"{instance} left" for instance in gone]

    def close(self) -> None:
        """No members, and that is remembered."""
        self.members.clear()
        self.closed = True
