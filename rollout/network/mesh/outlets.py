"""The way out of a room where egress is open: a link to the host's own network, over which connections go out and only answers
come in.

The room hides its instances behind its end of the link, and the host hides that behind its own addresses. So the host never has
a route into an environment, open or not.
"""

import errno
import ipaddress
import os
import socket
import threading
from dataclasses import dataclass

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh import links, namespaces, outlet_rules, rules
from rollout.network.mesh.addresses import Block, home_of
from rollout.network.mesh.forwarding import Forwarding
from rollout.network.mesh.marks import Mark
from rollout.network.mesh.state import EnvironmentRecord

OUT = "out0"
"""The room's end of the link."""
UP = 1
LINKS4 = ipaddress.IPv4Network("198.19.0.0/16")
"""Where the two IPv4 addresses of each link are: half of what is set apart for benchmarks, never seen outside of this host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Addresses of both ends of a link."""

    host: str
    room: str
    host4: str
    room4: str


class Outlets:
    """Those of one home on this host. Safe from many threads; the caller holds the environment's lock."""

    def __init__(self, forwarding: Forwarding, mark: Mark, host: int) -> None:
        self._forwarding = forwarding
        self._mark = mark
        self._host = host
        self._lock = threading.Lock()

    def stands(self, record: EnvironmentRecord) -> bool:
        """Its room has a whole way out. It is gone with the room."""
        name = self._mark.outlet_link(record.number)
        if name not in self._links():
            return False
        with IPRoute() as kernel:
            return any(link["flags"] & UP for link in kernel.get_links(ifname=name))

    def turn(self, record: EnvironmentRecord, path: str) -> bool:
        """The room at `path` has a way out, or none, as the record says; True where that was not so. BrokenError."""
        if not record.egress:
            return self.end(record)
        with links.told(f"lead {record.name} to the outside"), self._lock:
            if self.stands(record):
                return False
            try:
                self._open(record, path)
            except BaseException:
                links.remove_one(self._mark.outlet_link(record.number))
                raise
        return True

    def end(self, record: EnvironmentRecord) -> bool:
        """Nothing of its way out is left; False where nothing was. What went through it is cut."""
        with links.told(f"end the way out of {record.name}"), self._lock:
            if self._mark.outlet_link(record.number) not in self._links():
                return False
            links.remove_one(self._mark.outlet_link(record.number))
            self._reconcile()
            return True

    def keep(self) -> bool:
        """Rules and settings of the host are what the links need; True where they were not."""
        with links.told("lead to the outside"), self._lock:
            if not self._links() and not self._forwarding.held():
                return False
            there = rules.has(namespaces.OWN, outlet_rules.name(self._mark))
            changed = self._forwarding.missing() if self._links() else True
            if there and not changed:
                return False
            self._reconcile()
            return True

    def clear(self) -> None:
        """Nothing of any way out is left on this host, known or not."""
        with links.told("end the ways out"), self._lock:
            for name in self._links():
                links.remove_one(name)
            self._drop()

    def _links(self) -> list[str]:
        return [name for _, name in socket.if_nameindex() if name.startswith(self._mark.outlets)]

    def _open(self, record: EnvironmentRecord, path: str) -> None:
        name, block = self._mark.outlet_link(record.number), Block(record.prefix, self._host)
        links.remove_one(name)  # half of one
        self._forwarding.hold()  # noted before anything is made, so that it is found whatever dies
        rules.apply(path, outlet_rules.of_a_room(OUT, home_of(record.prefix)))
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with namespaces.alone(), IPRoute() as kernel:  # no other home takes the same addresses meanwhile
                ends = _ends(kernel, block, self._mark)
                kernel.link("add", ifname=name, kind="veth", peer={"ifname": OUT, "net_ns_fd": there})
                _dress(kernel, name, (f"{ends.host}/127", f"{ends.host4}/31"))
        finally:
            os.close(there)
        self._reconcile()  # nobody passes before the rules stand
        _lead_out(path, ends)
        with IPRoute() as kernel:  # last: what is up is whole
            kernel.link("set", index=kernel.link_lookup(ifname=name)[0], state="up")

    def _reconcile(self) -> None:
        """What the host has is what its links need."""
        names = self._links()
        if not names:
            self._drop()
            return
        self._forwarding.allow(names)
        with IPRoute() as kernel:
            hidden = [pair for name in names for pair in _networks(kernel, name)]
        rules.apply(namespaces.OWN, outlet_rules.of_the_host(self._mark, hidden, self._forwarding.ours()))

    def _drop(self) -> None:
        """Settings first: with the rules gone nothing may be forwarded that was not before."""
        self._forwarding.put_back()
        if rules.program() is not None:
            rules.apply(namespaces.OWN, outlet_rules.gone(self._mark))
        self._forwarding.release()


def _ends(kernel: IPRoute, block: Block, mark: Mark) -> Ends:
    """Addresses for a new link; of IPv4 those that no link of this host has."""
    taken = {str(one.get_attr("IFA_ADDRESS")) for one in kernel.get_addr(family=socket.AF_INET)}
    size = LINKS4.num_addresses // 2
    for step in range(size):
        host4 = LINKS4[(int(mark.text, 16) + step) % size * 2]
        if str(host4) not in taken:
            return Ends(host=block.outlet(0), room=block.outlet(1), host4=str(host4), room4=str(host4 + 1))
    raise BrokenError(f"no address of {LINKS4} is free for a way out", then="rollout environment list")


def _networks(kernel: IPRoute, name: str) -> list[str]:
    """Those of a link, whose addresses are hidden behind the host's."""
    index = kernel.link_lookup(ifname=name)
    found = [one for one in kernel.get_addr(index=index[0]) if one["prefixlen"] in {31, 127}] if index else []
    return [str(ipaddress.ip_network(f"{one.get_attr('IFA_ADDRESS')}/{one['prefixlen']}", strict=False)) for one in found]


def _dress(kernel: IPRoute, name: str, given: tuple[str, ...]) -> int:
    for setting, value in (("disable_ipv6", "0"), ("accept_ra", "0")):
        (links.SYSCTL / "ipv6/conf" / name / setting).write_text(value)
    index: int = kernel.link_lookup(ifname=name)[0]
    for address in given:
        text, _, length = address.partition("/")
        kernel.addr("replace", index=index, address=text, prefixlen=int(length), flags=links.NODAD if ":" in text else 0)
    return index


def _lead_out(path: str, ends: Ends) -> None:
    with inside(path), IPRoute() as kernel:
        index = _dress(kernel, OUT, (f"{ends.room}/127", f"{ends.room4}/31"))
        kernel.link("set", index=index, state="up")
        kernel.route("replace", dst="0.0.0.0/0", gateway=ends.host4, oif=index)
        kernel.route("replace", dst="::/0", gateway=ends.host, oif=index)


def lead_member(path: str, *, egress: bool) -> None:
    """What is not of its environment goes from the instance's namespace into its tunnel, or nowhere. Again changes nothing."""
    with links.told(f"set routes in {path}"), inside(path), IPRoute() as kernel:
        index = kernel.link_lookup(ifname=links.INSIDE)[0]
        for network in ("0.0.0.0/0", "::/0"):
            if egress:
                kernel.route("replace", dst=network, oif=index, metrics={"mtu": links.MTU_FAR})
                continue
            try:
                kernel.route("del", dst=network, oif=index)
            except NetlinkError as error:
                if error.code != errno.ESRCH:
                    raise
