"""Edge, names and ports in memory: for tests of whoever uses the host part, and for `--dry-run`."""

from collections.abc import Collection, Sequence

from rollout.host.ports import Route


class MemoryEdge:
    """Fulfils EdgeWriter. `routes` by host name; `busy`: open requests by address, set by tests."""

    def __init__(self, address: str = "127.0.0.1:1") -> None:
        self.routes: dict[str, Route] = {}
        self.busy: dict[str, int] = {}
        self._address = address

    def write(self, route: Route) -> None:
        """The route is kept."""
        self.routes[route.host_name] = route

    def remove(self, host_name: str) -> None:
        """The name is unknown."""
        self.routes.pop(host_name, None)

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
