"""The private network as the desk needs it: a port of its own. `network/mesh` fulfils it, where the machine lets us."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.host.ports import InstanceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance in the private network of its environment.

    `address` and `address4` are its own, for ever while it is known; `namespace` is the path of the network namespace that it
    has them in; `dns` is what stands in its resolv.conf.
    """

    instance: str
    address: str
    address4: str
    namespace: str
    dns: str


class Network(Protocol):
    """Joins instances to the private network of their environment. Idempotent, safe after half of itself, from any thread."""

    def covers(self, spec: InstanceSpec, /) -> bool:
        """Instances of this kind are in it."""

    def prepare(self, spec: InstanceSpec, /) -> Member:
        """A network namespace stands in which the instance will have its address before its first instruction.

        The tunnel is up and has shaken hands. BrokenError, with nothing left behind, when it cannot be made.
        """

    def patch(self, spec: InstanceSpec, pid: int, /) -> Member:
        """The running process `pid` (and all in its network namespace) has the instance's address from now on.

        Also for one that was joined before in a namespace that is gone. BrokenError as above.
        """

    def member(self, instance: str, /) -> Member | None:
        """What it is in the network; None for one that has not joined, or has left."""

    def address_of(self, service: str, /) -> str:
        """The stable IPv6 address of a service (`environment/name`) that its name leads to. Given once, kept on disk."""

    def address4_of(self, service: str, /) -> str:
        """Its IPv4 address, as stable, for kind tcp alone, where copies listen on IPv4; empty where there is none."""

    def dns_of(self, service: str, /) -> str:
        """The address of the DNS server of the service's environment, for the resolv.conf of what is patched in later."""

    def lead(self, service: str, place: tuple[str, int] | None, /) -> None:
        """For kind tcp: new connections to the service's address, whatever their port, go to this address and port.

        An IPv6 address: of a copy, to which those to the service's IPv4 address go by its own IPv4 address; or of the service
        itself on another host, where it runs by now, of whichever kind. An IPv4 address, of a copy that listens on nothing else:
        only connections to the service's IPv4 address. Those that are open stay where they are. None: to the edge again, as for
        every other service. Kept on disk.
        """

    def held(self, service: str, address: str, /) -> int:
        """Open connections to the service, over IPv6 or IPv4, that were led to the instance with this IPv6 address; 0 without
        a room.
        """

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """Its instances, those that run too, may reach the outside from now on, or may not. Kept on disk."""

    def leave(self, instance: str, /) -> None:
        """Its tunnel, key, namespace and address are gone: nobody can use them any more."""

    def keep(self, wanted: Collection[str], /) -> Sequence[str]:
        """Every few seconds: tunnels and rooms that died are there again; what belongs to no wanted instance is gone.

        What was mended, in words for the log. Members whose namespace has gone are left to `patch`.
        """

    def close(self) -> None:
        """For `down`: no tunnel, room, namespace or rule of this home is left on the machine. Addresses stay what they are."""


class NoNetwork:
    """Fulfils Network where instances share the host's own network: nobody is in it."""

    def covers(self, _spec: InstanceSpec) -> bool:
        """Never."""
        return False

    def prepare(self, spec: InstanceSpec) -> Member:
        """Not asked for."""
        raise LookupError(spec.id)

    def patch(self, spec: InstanceSpec, _pid: int) -> Member:
        """Not asked for."""
        raise LookupError(spec.id)

    def member(self, _instance: str) -> Member | None:
        """Nobody."""
        return None

    def address_of(self, _service: str) -> str:
        """None."""
        return ""

    def address4_of(self, _service: str) -> str:
        """None."""
        return ""

    def dns_of(self, _service: str) -> str:
        """None."""
        return ""

    def lead(self, service: str, _place: tuple[str, int] | None) -> None:
        """Not asked for."""
        raise LookupError(service)

    def held(self, _service: str, _address: str) -> int:
        """None."""
        return 0

    def set_egress(self, environment: str, *, egress: bool) -> None:
        """Nothing: all have the host's own network."""

    def leave(self, _instance: str) -> None:
        """It never was in."""

    def keep(self, _wanted: Collection[str]) -> Sequence[str]:
        """Nothing."""
        return ()

    def close(self) -> None:
        """Nothing."""
