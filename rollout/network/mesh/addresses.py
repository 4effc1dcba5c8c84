"""Which address is whose: pure sums. All text canonical.

A home has one unique-local /48, each environment a /64 of it. In that, groups 5 to 8 are host and number of an instance (each
32 bits, so a host's instances are one /96), or 5, host and number of a service (so its services are one /96 too), or the DNS
server. IPv4, for programs that know nothing else: a /16 of 100.64.0.0/10 per host, in its lower half the number of an instance,
in its upper half that of a service.
"""

import ipaddress
from dataclasses import dataclass

HOSTS = 64
HUB = 1
FIRST, LAST = 2, (1 << 15) - 1
"""Numbers that instances get; unique over the home."""
LAST_SERVICE4 = (1 << 15) - 2
"""Services with a higher number have no IPv4 address."""
ALL4 = "100.64.0.0/10"
ENVIRONMENTS = (1 << 16) - 1
_START4 = int(ipaddress.IPv4Address("100.64.0.0"))
_SERVICES, _SERVICES4 = 5 << 48, 1 << 15
_OUTLETS = 6 << 48
_DNS = 0x53


def home_prefix(chance: bytes) -> str:
    """The /48 that these 5 random bytes name (RFC 4193)."""
    return str(ipaddress.IPv6Network((b"\xfd" + chance + bytes(10), 48)))


def environment_prefix(home: str, number: int) -> str:
    """The /64 with this number (1 to ENVIRONMENTS) of a home's /48."""
    start = int(ipaddress.IPv6Network(home).network_address)
    return str(ipaddress.IPv6Network((start + (number << 64), 64)))


def home_of(prefix: str) -> str:
    """The /48 of the home whose environment has this /64."""
    return str(ipaddress.IPv6Network(prefix).supernet(new_prefix=48))


@dataclass(frozen=True, slots=True)
class Block:
    """The addresses of one environment (`prefix`: its /64) on one host (1 to HOSTS)."""

    prefix: str
    host: int

    def member(self, number: int) -> str:
        """IPv6 address of the instance with this number."""
        return self._at((self.host << 32) + number)

    def member4(self, number: int) -> str:
        """Its IPv4 address."""
        return str(ipaddress.IPv4Address(_START4 + ((self.host - 1) << 16) + number))

    def service(self, number: int) -> str:
        """Stable address of the service with this number, which it has on this host."""
        return self._at(_SERVICES + (self.host << 32) + number)

    def service4(self, number: int) -> str:
        """Its IPv4 address; empty where there is none left."""
        return self.member4(_SERVICES4 + number) if number <= LAST_SERVICE4 else ""

    def twin(self, address: str) -> str:
        """The IPv4 address of whoever has this IPv6 one, an instance or a service, on whichever host; empty for any other."""
        found = int(ipaddress.IPv6Address(address)) - int(ipaddress.IPv6Network(self.prefix).network_address)
        kind, host, number = found >> 48, found >> 32 & 0xFFFF, found & 0xFFFFFFFF
        there = Block(self.prefix, host)
        if kind not in {0, _SERVICES >> 48} or not 1 <= host <= HOSTS:
            return ""
        return there.service4(number) if kind else there.member4(number) if number <= LAST else ""

    def outlet(self, end: int) -> str:
        """The host's (0) or the room's (1) end of the room's way out."""
        return self._at(_OUTLETS + (self.host << 32) + end)

    @property
    def services(self) -> str:
        """All addresses of services on this host, a /96."""
        return f"{self.service(0)}/96"

    @property
    def services4(self) -> str:
        """The same in IPv4, a /17."""
        return f"{self.service4(0)}/17"

    @property
    def dns(self) -> str:
        """Where the names are answered."""
        return self._at(_DNS)

    @property
    def here(self) -> str:
        """All addresses of instances on this host, its hub's among them, a /96."""
        return f"{self._at(self.host << 32)}/96"

    @property
    def here4(self) -> str:
        """All IPv4 addresses of this host, a /16: those of its services too."""
        return f"{self.member4(0)}/16"

    def has(self, address: str) -> bool:
        """An instance on this host has this address, or could have it."""
        found = ipaddress.ip_address(address)
        return found in ipaddress.ip_network(self.here if found.version == 6 else f"{self.member4(0)}/17")

    def _at(self, offset: int) -> str:
        return str(ipaddress.IPv6Network(self.prefix).network_address + offset)


def block_of(here: str) -> Block:
    """The block whose `here` this /96 is. ValueError for any other network."""
    network = ipaddress.IPv6Network(here)
    start = int(network.network_address)
    host = (start >> 32) & 0xFFFFFFFF
    if network.prefixlen != 96 or not 1 <= host <= HOSTS:
        raise ValueError(f"{here} is not the block of a host: a /96 with a host number from 1 to {HOSTS}")
    return Block(str(ipaddress.IPv6Network((start >> 64 << 64, 64))), host)
