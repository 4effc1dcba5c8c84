"""One small file per service: what edge.lua reads for every request.

The file is named by the host name of the service and holds one line:

    shop.prod.internal 127.0.0.1:4001,127.0.0.1:4002 127.0.0.1:4003 10 ;

host name, legacy's addresses, v2's addresses (`-` for none), v2's weight in percent, end mark. Where copies have opened another
port besides, `127.0.0.1:4003>127.0.0.1:5001` stands before the end mark, one word for each. Before them, for a service in a
room, `@prod=fd12:3456:789a:1:5::7`: the environment and the service's own address there. The line is followed by spaces up
to BLOCK bytes, so that a file can be written over in place when the disk is full. A file is replaced by rename: a reader sees
the old line or the new one. Name and end mark are for the reader that is overtaken by two writes: it sees the mismatch and
reads again.
"""

import contextlib
import errno
import ipaddress
import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

from rollout.errors import BrokenError, UsageError
from rollout.host.ports import Route

BLOCK = 4096
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d{1,5}")
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
SPARE = ".spare"
FULL = {errno.ENOSPC, errno.EDQUOT}


class Routes:
    """The folder of route files. One process writes it (the host part); threads may call at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """The folder is there, and in it a spare file that is written when the disk has no room for a new one."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.folder / SPARE).exists():
            _fill(self.folder / SPARE, b" " * BLOCK)

    def write(self, route: Route) -> None:
        """New requests follow the route. UsageError for a route that cannot be written, BrokenError when the disk fails."""
        content = line_of(route).encode().ljust(BLOCK)
        path = self.folder / route.host_name
        with self._lock:
            try:
                self._replace(path, content)
            except OSError as error:
                raise BrokenError(
                    f"cannot write the route of {route.host_name}: {error.strerror}",
                    state="the edge keeps the route that it had",
                    then=f"make room under {self.folder}, then try again",
                ) from error

    def read(self, host_name: str) -> Route | None:
        """The route as it is on disk; None where there is none. BrokenError for a file that does not hold one."""
        try:
            text = (self.folder / host_name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
        return route_of(host_name, text)

    def names(self) -> Sequence[str]:
        """Host names of all routes, sorted."""
        return sorted(name for name in os.listdir(self.folder) if not name.startswith("."))

    def remove(self, host_name: str) -> None:
        """The name is unknown. Idempotent."""
        _check_name(host_name)
        with self._lock, contextlib.suppress(FileNotFoundError):
            (self.folder / host_name).unlink()

    def _replace(self, path: Path, content: bytes) -> None:
        fresh = self.folder / ".new"
        try:
            _fill(fresh, content)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            if error.errno not in FULL:
                raise
            self._replace_on_full_disk(path, content)
        else:
            fresh.replace(path)

    def _replace_on_full_disk(self, path: Path, content: bytes) -> None:
        """The spare becomes the route and the old route the spare: no step needs a new block."""
        spare, old = self.folder / SPARE, self.folder / ".old"
        if len(content) > BLOCK or not path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _overwrite(spare, content)
        old.unlink(missing_ok=True)
        os.link(path, old)
        spare.replace(path)
        old.replace(spare)


def line_of(route: Route) -> str:
    """The line of a route. UsageError where name, address or weight are not what the edge can read."""
    _check_name(route.host_name)
    wrong = [address for address in (*route.legacy, *route.v2, *route.spares.values()) if not ADDRESS.fullmatch(address)]
    if wrong:
        raise UsageError(f"{route.host_name}: not an address: {', '.join(wrong)}", then="an address is IP:PORT")
    if not 0 <= route.weight <= 100:
        raise UsageError(f"{route.host_name}: {route.weight} is not a weight", then="a weight is 0 to 100 percent")
    spares = "".join(f"{address}>{route.spares[address]} " for address in route.v2 if address in route.spares)
    return f"{route.host_name} {_side(route.legacy)} {_side(route.v2)} {route.weight} {_room(route)}{spares};\n"


def route_of(host_name: str, text: str) -> Route:
    """The route that a file holds. BrokenError when it does not hold one of that name."""
    words = text.partition("\n")[0].split(" ")
    if len(words) < 5 or words[0] != host_name or words[-1] != ";" or not words[3].isdecimal():
        raise BrokenError(
            f"the route file of {host_name} is broken",
            state="the edge answers 503 for this service alone",
            then="rollout up writes it again",
        )
    legacy, v2 = (tuple(a for a in words[i].split(",") if a != "-") for i in (1, 2))
    spares = dict(word.split(">", 1) for word in words[4:-1] if ">" in word)
    room = next((word for word in words[4:-1] if word.startswith("@")), "@")
    environment, _, address = room[1:].partition("=")
    return Route(
        host_name=host_name,
        legacy=legacy,
        v2=v2,
        weight=int(words[3]),
        environment=environment,
        address=address,
        spares=spares,
    )


def _room(route: Route) -> str:
    """Nothing for a service outside of all rooms, whatever its environment is called: the edge has no use for that."""
    if not route.address:
        return ""
    if not LABEL.fullmatch(route.environment) or not _canonical(route.address):
        wrong = f"{route.host_name}: {route.address!r} in {route.environment!r} is not an address in a room"
        raise UsageError(wrong, then="it is IPv6 in its shortest form, in an environment's room")
    return f"@{route.environment}={route.address} "


def _canonical(address: str) -> bool:
    try:
        return ipaddress.IPv6Address(address).compressed == address
    except ValueError:
        return False


def _side(addresses: Sequence[str]) -> str:
    return ",".join(addresses) or "-"


def _check_name(host_name: str) -> None:
    if not NAME.fullmatch(host_name) or len(host_name) > 253:
        raise UsageError(f"{host_name!r} is not a host name", then="names are DNS labels parted by dots")


def _fill(path: Path, content: bytes) -> None:
    """A new file with this content; no file is left half written under another name than `path`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _overwrite(path: Path, content: bytes) -> None:
    """The file holds the content, in the blocks that it already has."""
    with path.open("r+b") as file:
        file.write(content)
