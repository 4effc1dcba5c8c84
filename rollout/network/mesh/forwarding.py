"""Kernel settings without which a host forwards nothing: changed as little as can be, noted first, put back afterwards.

IPv4 can be forwarded link by link: on the ways out, and on the links of the host's default routes for the answers. IPv6 knows
one switch for all, that takes with it what single links had; links that listen to router advertisements, which a router does not,
are told to listen all the same.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pyroute2 import IPRoute

from rollout.network.mesh.links import SYSCTL
from rollout.network.mesh.state import write_durably

ALL4, ALL6 = "ipv4/ip_forward", "ipv6/conf/all/forwarding"
ON, OFF = "1", "0"
STILL = "2"
"""Of accept_ra: also while forwarding."""
FAMILIES = {"ipv4": 2, "ipv6": 10}


class Forwarding:
    """`note`: the file that says how settings were before; it stands as long as anything may be changed."""

    def __init__(self, note: Path) -> None:
        self._note = note

    def held(self) -> bool:
        """Something may be changed."""
        return self._note.exists()

    def hold(self) -> None:
        """Something is about to be changed. Durable."""
        if not self.held():
            self._write({})

    def allow(self, own: Sequence[str]) -> None:
        """The host forwards between these links and the outside."""
        for name in own:
            _set(f"ipv4/conf/{name}/forwarding", ON)
        for name, value in self._lacking():
            before = self._before()
            if name not in before:
                self._write(before | {name: _get(name)})
            _set(name, value)

    def missing(self) -> bool:
        """`allow` would change something."""
        return next(self._lacking(), None) is not None

    def ours(self) -> list[str]:
        """`ipv4`, `ipv6`: what this host forwards because of us, and for us alone."""
        before = self._before()
        found = ["ipv4"] if any(name.startswith("ipv4") for name in before) and _get(ALL4) == OFF else []
        return [*found, "ipv6"] if ALL6 in before else found

    def put_back(self) -> None:
        """As it was before. What somebody has switched on for the whole host meanwhile stays."""
        stays = _get(ALL4) == ON
        for name, value in sorted(self._before().items(), key=lambda one: one[0] != ALL6):  # the others after what changes them
            if not (stays and name.startswith("ipv4")):
                _set(name, value)

    def release(self) -> None:
        """Nothing is changed any more."""
        self._note.unlink(missing_ok=True)

    def _before(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._note.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def _write(self, before: dict[str, str]) -> None:
        write_durably(self._note, json.dumps(before).encode())

    def _lacking(self) -> Iterator[tuple[str, str]]:
        """Setting and value, in the order in which they are to be made. Of those that the switch changes too, the old ones."""
        if _get(ALL4) == OFF:
            names = [f"ipv4/conf/{link}/forwarding" for link in _ways_out("ipv4")]
            yield from ((name, ON) for name in names if _get(name) == OFF)
        if _get(ALL6) == OFF:
            links = [path.name for path in (SYSCTL / "ipv6/conf").iterdir() if path.name != "all"]
            listening = [f"ipv6/conf/{link}/accept_ra" for link in links]
            yield from ((name, STILL) for name in listening if _get(name) == ON)
            forwarding = [f"ipv6/conf/{link}/forwarding" for link in links]
            yield from ((name, ON) for name in forwarding if _get(name) == ON)
            yield ALL6, ON


def _ways_out(family: str) -> list[str]:
    with IPRoute() as kernel:
        routes = [one for one in kernel.get_routes(family=FAMILIES[family]) if not one["dst_len"]]
        indexes = {index for one in routes if (index := one.get_attr("RTA_OIF"))}
        return sorted(str(kernel.get_links(index)[0].get_attr("IFLA_IFNAME")) for index in indexes)


def _get(name: str) -> str:
    try:
        return (SYSCTL / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _set(name: str, value: str) -> None:
    """Of a link that is gone there is nothing to set."""
    with suppress(FileNotFoundError):
        (SYSCTL / name).write_text(value, encoding="ascii")
