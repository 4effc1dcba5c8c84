"""Tunnels as the mesh needs them. `userspace` and `kernel` fulfil the port; which of them is found by trying."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

KEEPALIVE_S = 25
"""On both sides: a tunnel that was restarted is deaf until somebody knocks, without this for up to 16 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other end: its public key (hexadecimal), where it is (`127.0.0.1:40001`, `[fd99::2]:40001`), what it may send from."""

    public_key: str
    endpoint: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A change of a tunnel: `peers` are added or replaced, those with a key in `gone` removed. With `private_key` it is set
    anew as a whole: key, UDP port, these peers and no other."""

    private_key: str = ""
    port: int = 0
    peers: tuple[Peer, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel by the name that it was made with, and the path of the network namespace into which its link is moved.

    `crowded`: many peers are at its other end, and it may take the memory that they need."""

    name: str
    namespace: str
    crowded: bool = False


class Tunnels(Protocol):
    """WireGuard tunnels of this host. BrokenError, with words for a person, when one cannot be made or written."""

    def start(self, tunnel: Tunnel) -> None:
        """It is there, without key and peers; its link is in this process's network namespace, down. An old one is ended."""

    def write(self, tunnel: Tunnel, settings: Settings) -> None:
        """All of the change is done, at once for whoever sends, and no other connection notices."""

    def shaken(self, tunnel: Tunnel, public_key: str) -> bool:
        """The peer with this key has answered since the tunnel was started."""

    def standing(self, tunnel: Tunnel) -> str:
        """Empty when it is not there; else what tells this tunnel from one of the same name that was started later."""

    def end(self, tunnel: Tunnel) -> None:
        """No link, process or socket of it is left. Idempotent."""

    def clear(self, prefix: str, known: Callable[[], Collection[str]]) -> Sequence[str]:
        """No tunnel is there whose name begins so and that is not known (asked after they were found); which were ended."""

    def close(self) -> None:
        """What was changed of the kernel's settings, so that there can be many of them, is as it was. Idempotent."""
