"""Links, addresses and routes inside a network namespace, by netlink."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from rollout.errors import BrokenError
from rollout.network.inside import inside

INSIDE = "mesh0"
MTU, MTU_FAR = 65440, 1420
"""What one packet carries: over the host's own loopback as much as WireGuard takes (ten times the throughput); to other hosts
what fits with WireGuard's and UDP's headers into an underlay of 1500."""
NODAD = 0x02
LOCAL = 2
"""Type of a route whose addresses are the machine's own (RTN_LOCAL)."""
HOST = 254
"""Their scope (RT_SCOPE_HOST)."""
ABSENT = errno.ENODEV, errno.ESRCH
SYSCTL = Path("/proc/sys/net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """What a namespace gets beside its tunnel: addresses (`ADDRESS/LENGTH`), networks that are reached through the tunnel
    without leaving the host (`near`) or else (`far`), networks whose addresses are all its own, and kernel settings (below
    /proc/sys/net)."""

    addresses: tuple[str, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    own: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


IPV6_ON = tuple((f"ipv6/conf/{link}/disable_ipv6", "0") for link in ("all", "default", "lo"))
"""A container that was started without a network may have IPv6 switched off."""

AS_USUAL = ("ipv4/ip_unprivileged_port_start", "0"), ("ipv4/ping_group_range", "0 2147483647")
"""What Docker sets in every network that it makes: programs that do not run as root may have any port, and ping."""


def move(link: str, namespace: str) -> None:
    """The link, which is down in our namespace, is in the one at this path, named INSIDE; one of that name there is replaced."""
    with told(f"move {link} into {namespace}"):
        try:
            _move(link, namespace)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
            _delete(namespace)
            _move(link, namespace)


def dress(namespace: str, dress: Dress) -> None:
    """The link INSIDE is up in the namespace at this path, with these addresses and networks. Again changes nothing."""
    with told(f"set addresses in {namespace}"), inside(namespace):
        for name, value in dress.settings:
            (SYSCTL / name).write_text(value)
        with IPRoute() as kernel:
            kernel.link("set", index=1, state="up")
            index = kernel.link_lookup(ifname=INSIDE)[0]
            kernel.link("set", index=index, mtu=MTU, state="up")
            for address in dress.addresses:
                text, _, length = address.partition("/")
                kernel.addr("replace", index=index, address=text, prefixlen=int(length), flags=NODAD if ":" in text else 0)
            for network in dress.near:
                kernel.route("replace", dst=network, oif=index)
            for network in dress.far:
                kernel.route("replace", dst=network, oif=index, metrics={"mtu": MTU_FAR})
            for network in dress.own:
                kernel.route("replace", dst=network, oif=1, type=LOCAL, table=255, scope=HOST)


def remove_one(link: str) -> None:
    """There is no such link in our own namespace. Idempotent; NetlinkError where the kernel refuses."""
    with IPRoute() as kernel:
        for index in kernel.link_lookup(ifname=link):
            _unlink(kernel, index)


def remove(prefix: str) -> Sequence[str]:
    """Links in our own namespace whose name begins so are gone; which there were."""
    with told("list links"), IPRoute() as kernel:
        found = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links()}
        ours = {index: name for index, name in found.items() if name.startswith(prefix)}
        for index in ours:
            _unlink(kernel, index)
    return sorted(ours.values())


def _move(link: str, namespace: str) -> None:
    there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with IPRoute() as kernel:
            kernel.link("set", index=kernel.link_lookup(ifname=link)[0], net_ns_fd=there, ifname=INSIDE)
    finally:
        os.close(there)


def _delete(namespace: str) -> None:
    with inside(namespace), IPRoute() as kernel:
        for index in kernel.link_lookup(ifname=INSIDE):
            _unlink(kernel, index)


def _unlink(kernel: IPRoute, index: int) -> None:
    """It may go by itself at the same moment, with its process."""
    try:
        kernel.link("del", index=index)
    except NetlinkError as error:
        if error.code not in ABSENT:
            raise


@contextmanager
def told(doing: str) -> Iterator[None]:
    """What the kernel says, in words for a person."""
    try:
        yield
    except NetlinkError as error:
        raise BrokenError(f"cannot {doing}: {os.strerror(error.code)}", then="rollout up mends it") from error
    except (OSError, IndexError) as error:
        raise BrokenError(f"cannot {doing}: {error}", then="rollout up mends it") from error
