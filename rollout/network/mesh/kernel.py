"""Tunnels of the kernel's own WireGuard, where it has one. Could not be run where this was written: no such kernel there.

Its UDP socket stays in the network namespace where the link was made, ours; it is asked where the link is.
"""

import errno
import os
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from pyroute2 import IPRoute, WireGuard
from pyroute2.netlink.exceptions import NetlinkError

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh import links, namespaces
from rollout.network.mesh.tunnels import KEEPALIVE_S, Peer, Settings, Tunnel

KIND = "wireguard"
UNKNOWN = errno.EOPNOTSUPP, errno.ENOENT, errno.EPERM


def works() -> bool:
    """The kernel makes such links: tried with one in a network namespace that nobody sees and that is gone again."""
    try:
        namespaces.nowhere(_make_one)
    except NetlinkError as error:
        if error.code in UNKNOWN:
            return False
        raise
    return True


def _make_one() -> None:
    with IPRoute() as kernel:
        kernel.link("add", ifname=links.INSIDE, kind=KIND)


class KernelTunnels:
    """Fulfils Tunnels."""

    def start(self, tunnel: Tunnel) -> None:
        """As in the port."""
        self.end(tunnel)
        with _said(f"make tunnel {tunnel.name}"), IPRoute() as kernel:
            kernel.link("add", ifname=tunnel.name, kind=KIND)

    def write(self, tunnel: Tunnel, settings: Settings) -> None:
        """As in the port; a tunnel that gets its key was just started, and has no peers to be replaced."""
        with _said(f"set up tunnel {tunnel.name}"), _asked(tunnel) as (kernel, name):
            if settings.private_key:
                kernel.set(name, private_key=_key(settings.private_key), listen_port=settings.port)
            for key in settings.gone:
                kernel.set(name, peer={"public_key": _key(key), "remove": True})
            for peer in settings.peers:
                kernel.set(name, peer=_peer(peer))

    def shaken(self, tunnel: Tunnel, public_key: str) -> bool:
        """As in the port."""
        with _said(f"ask tunnel {tunnel.name}"), _asked(tunnel) as (kernel, name):
            peers = [peer for part in kernel.info(name) for peer in part.get_attr("WGDEVICE_A_PEERS") or ()]
        times = {peer.get_attr("WGPEER_A_PUBLIC_KEY"): peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME") for peer in peers}
        return any(key in {_key(public_key), _key(public_key).encode()} and time["tv_sec"] for key, time in times.items())

    def standing(self, tunnel: Tunnel) -> str:
        """As in the port: the number of its link."""
        with _said(f"look for tunnel {tunnel.name}"):
            return next(filter(None, (_index(tunnel, place) for place in _places(tunnel))), "")

    def end(self, tunnel: Tunnel) -> None:
        """As in the port."""
        for place in _places(tunnel):
            with _said(f"end tunnel {tunnel.name}"), _in(place):
                links.remove_one(_name(tunnel, place))

    def close(self) -> None:
        """As in the port: nothing was changed."""

    def clear(self, prefix: str, known: Callable[[], Collection[str]]) -> Sequence[str]:
        """As in the port. Those that were moved go with their namespaces."""
        with IPRoute() as kernel:
            names = [str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links()]
        told = known()
        gone = [name for name in names if name.startswith(prefix) and name not in told]
        for name in gone:
            with _said(f"end tunnel {name}"):
                links.remove_one(name)
        return gone


def _places(tunnel: Tunnel) -> list[str]:
    """Where its link may be: ours (no path), and the namespace into which it is moved, where that stands."""
    return ["", tunnel.namespace] if namespaces.inode(tunnel.namespace) else [""]


def _name(tunnel: Tunnel, place: str) -> str:
    return links.INSIDE if place else tunnel.name


def _in(place: str) -> Any:
    return inside(place) if place else nullcontext()


@contextmanager
def _asked(tunnel: Tunnel) -> Iterator[tuple[Any, str]]:
    """WireGuard's own netlink where the link is, and the link's name there."""
    place = next((place for place in _places(tunnel) if _index(tunnel, place)), None)
    if place is None:
        raise BrokenError(f"tunnel {tunnel.name} is not there", then="rollout up mends it")
    with _in(place), WireGuard() as kernel:
        yield kernel, _name(tunnel, place)


def _index(tunnel: Tunnel, place: str) -> str:
    """The number of its link, if it is at this place."""
    with _in(place), IPRoute() as kernel:
        found = kernel.link_lookup(ifname=_name(tunnel, place))
    return str(found[0]) if found else ""


def _peer(peer: Peer) -> dict[str, object]:
    address, _, port = peer.endpoint.rpartition(":")
    return {
        "public_key": _key(peer.public_key),
        "endpoint_addr": address.strip("[]"),
        "endpoint_port": int(port),
        "persistent_keepalive": KEEPALIVE_S,
        "replace_allowed_ips": True,
        "allowed_ips": list(peer.allowed),
    }


def _key(hexadecimal: str) -> str:
    return b64encode(bytes.fromhex(hexadecimal)).decode()


@contextmanager
def _said(doing: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise BrokenError(f"cannot {doing}: {os.strerror(error.code)}", then="rollout doctor") from error
