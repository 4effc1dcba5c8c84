"""Names and ports as the host part needs them: where a service is found, and where it may listen."""

from collections.abc import Collection
from typing import Protocol


class Names(Protocol):
    """The names that the DNS server answers."""

    def publish(self, name: str, address: str, port: int) -> None:
        """The name resolves: A/AAAA to `address`, SRV to `port`."""

    def withdraw(self, name: str) -> None:
        """The name is unknown. Idempotent."""

    def address(self) -> str:
        """`host:port` of the DNS server."""


class Ports(Protocol):
    """TCP ports of this host."""

    def free(self, taken: Collection[int]) -> int:
        """A port that nobody listens on and that is not among `taken`."""

    def holder(self, port: int) -> str:
        """Who listens on the port (`pid 4711 (nginx)`); empty when it is free."""
