"""The rooms of this host, on disk: one small file per environment, that names, edge and health checks read.

A room is the network namespace in which the private network of one environment meets on this host: its hub, the addresses of
its services and of its DNS server. Nothing leads into it but a socket that was opened inside.
"""

import ipaddress
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rollout.errors import BrokenError

OPEN, CLOSED = "open", "closed"
SETTLED_NS = 100_000_000
"""A folder's time of writing may stand still for a tick of the kernel, in which more is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`path`: its network namespace, another one each time that the room is made. `prefix`: the environment's /64, as
    `fd12:3456:789a:1::/64`. `prefix4`: where the instances' IPv4 addresses are, unique over all rooms of a home. `dns`: the
    address of the DNS server in it. All addresses in canonical text. `egress`: its instances may reach the outside. `hub`: where
    other hosts reach this one in the environment; `neighbours`: where this one reaches them.
    """

    environment: str
    path: str
    prefix: str
    dns: str
    prefix4: str = "100.64.0.0/10"
    egress: bool = False
    hub: str = ""
    neighbours: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _network(prefix: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(prefix)


class Rooms:
    """The folder of rooms. One process writes it (the host part); everybody of the home's owner may read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: tuple[int, Sequence[Room]] = (0, ())

    def all(self) -> Sequence[Room]:
        """By environment; none where there is no private network. A file that is just being replaced is read whole.

        Cheap to ask again and again: the files are read when something was written, else one look at the folder is all.
        """
        try:
            written = os.stat(self.folder).st_mtime_ns
        except FileNotFoundError:
            return ()
        known, rooms = self._read
        if known != written:
            rooms = self._found()
            if time.time_ns() - written > SETTLED_NS:  # else more may be written that the same time stands at
                self._read = written, rooms
        return rooms

    def _found(self) -> Sequence[Room]:
        names = sorted(name for name in os.listdir(self.folder) if not name.startswith("."))
        return [room for name in names if (room := self.find(name)) is not None]

    def find(self, environment: str) -> Room | None:
        """None for an environment without a room."""
        try:
            path, prefix, dns, prefix4, *more = (self.folder / environment).read_text(encoding="ascii").split()
        except FileNotFoundError:
            return None
        egress, hub, *neighbours = *more, *[""] * (2 - len(more))
        return Room(
            environment=environment,
            path=path,
            prefix=prefix,
            dns=dns,
            prefix4=prefix4,
            egress=egress == OPEN,
            hub=hub,
            neighbours=tuple(neighbours),
        )

    def of(self, address: str, environment: str = "") -> Room | None:
        """The room in which this address (without port) is; None for one outside of all, and for what is no address.

        An IPv4 address is looked for in the room of `environment` alone: other rooms have the same ones.
        """
        rooms = self.all()
        try:
            found = ipaddress.ip_address(address) if rooms else None
        except ValueError:
            return None
        if isinstance(found, ipaddress.IPv4Address):
            return next((room for room in rooms if room.environment == environment and found in _network(room.prefix4)), None)
        return next((room for room in rooms if found in _network(room.prefix)), None) if found else None

    def write(self, room: Room) -> None:
        """Readers find it from return on. BrokenError when the disk fails: the old one stands."""
        draft = self.folder / f".{room.environment}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            egress = OPEN if room.egress else CLOSED
            words = (room.path, room.prefix, room.dns, room.prefix4, egress, room.hub, *room.neighbours)
            draft.write_text(" ".join(words).rstrip() + "\n", encoding="ascii")
            draft.replace(self.folder / room.environment)
        except OSError as error:
            what = f"cannot write {self.folder / room.environment}: {error.strerror}"
            raise BrokenError(what, then="free some space") from error

    def remove(self, environment: str) -> None:
        """Unknown. Idempotent."""
        (self.folder / environment).unlink(missing_ok=True)
