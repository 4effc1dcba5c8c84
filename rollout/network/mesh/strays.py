"""What carries the mark of a home on this machine, looked at from outside: no record is written, the host part may run or not."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from rollout.errors import BrokenError
from rollout.network.mesh import namespaces, outlet_rules, rules, uapi, userspace
from rollout.network.mesh.forwarding import Forwarding
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.outlets import Outlets
from rollout.network.mesh.state import SETTINGS_BEFORE
from rollout.network.mesh.tunnels import Tunnel

Wants = Callable[[str], bool]
HERE = 1
"""Number of the host: ending a way out does not depend on it."""


class Strays:
    """Of the home with this folder (HOME/host/mesh). `wants`: whether an instance is still to be in the network."""

    def __init__(self, folder: Path, wants: Wants) -> None:
        self._folder = folder
        self._mark = mark_of(folder)
        self._wants = wants

    def tunnels(self) -> Sequence[str]:
        """Names of tunnels (process, link or control socket) of no wanted instance. BrokenError for a damaged record."""
        there = {name for _, name in userspace.running()} | {path.stem for path in uapi.SOCKETS.glob("*.sock")} | _links()
        ours = {name for name in there if name.startswith(self._mark.links)}
        return sorted(ours - set(self._known(self._mark.member_link, self._room_links)))

    def namespaces(self) -> Sequence[str]:
        """Paths of network namespaces of no wanted instance. BrokenError for a damaged record."""
        ours = set(namespaces.strays(self._mark.namespaces))
        return sorted(ours - set(self._known(self._mark.member_path, self._room_paths)))

    def way_out(self) -> str:
        """The home's nft table on this host, or what it would be called where only settings of the kernel are left; empty where
        neither is there or an open environment has a wanted instance. BrokenError for a damaged record.
        """
        name = outlet_rules.name(self._mark)
        there = self._forwarding().held() or rules.has(namespaces.OWN, name)
        return name if there and not any(room["egress"] for room in self._rooms()) else ""

    def end_way_out(self) -> None:
        """No link to the outside is left, no rules for any, and the kernel's settings are as they were before."""
        Outlets(self._forwarding(), self._mark, HERE).clear()

    def _forwarding(self) -> Forwarding:
        return Forwarding(self._folder / SETTINGS_BEFORE)

    def _rooms(self) -> Iterator[dict[str, Any]]:
        """Records of the environments that have a wanted instance."""
        environments = {one["environment"] for name, one in _records(self._folder / "members") if self._wants(name)}
        return (one for name, one in _records(self._folder / "environments") if name in environments)

    def _known(self, member: Callable[[int], str], room: Callable[[dict[str, Any]], Sequence[str]]) -> Iterator[str]:
        """Of each wanted instance, and of the environments that have one. Read after what is there: records come first."""
        yield from (member(one["number"]) for name, one in _records(self._folder / "members") if self._wants(name))
        for one in self._rooms():
            yield from room(one)

    def _room_links(self, record: dict[str, Any]) -> Sequence[str]:
        """The hub's tunnel, and the way out where the environment is open."""
        number = int(record["number"])
        return self._mark.hub_link(number), self._mark.outlet_link(number)

    def _room_paths(self, record: dict[str, Any]) -> Sequence[str]:
        return (self._mark.room_path(int(record["number"]), int(record["generation"])),)


def end_tunnel(name: str) -> None:
    """No process, link or control socket of just this name is left. BrokenError where its process cannot be killed."""
    userspace.UserspaceTunnels().end(Tunnel(name, ""))
    with IPRoute() as kernel:
        for index in kernel.link_lookup(ifname=name):
            kernel.link("del", index=index)


def end_namespace(path: str) -> None:
    """Nothing stands at this path."""
    namespaces.drop(path)
    namespaces.tidy()


def _links() -> set[str]:
    with IPRoute() as kernel:
        return {str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links()}


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("[!.]*")):
        try:
            yield path.name, json.loads(path.read_bytes())
        except FileNotFoundError:  # it has just left
            continue
        except ValueError as error:
            then = f"rollout down, rm {path}, rollout up"
            raise BrokenError(f"{path} is damaged: {error}", state="nothing was removed", then=then) from error
