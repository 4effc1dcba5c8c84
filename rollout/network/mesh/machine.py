"""Whether this machine can carry a private network, and by which WireGuard: found by looking, and trying."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rollout.network.mesh import kernel, rules, userspace
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.tunnels import Tunnels

TUN = Path("/dev/net/tun")
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
FEW_INOTIFY = 512
CAPABILITIES = {12: "CAP_NET_ADMIN", 21: "CAP_SYS_ADMIN"}


@dataclass(frozen=True, slots=True)
class Lack:
    """What is missing, and what a person does about it."""

    what: str
    then: str


def lacks(folder: Path) -> Iterator[Lack]:
    """All that the private network of the home with this folder cannot do without; nothing where it can be made."""
    if not sys.platform.startswith("linux"):
        yield Lack(f"network namespaces are only on Linux, and this is {sys.platform}", "run services as plain processes")
        return
    held = _capabilities()
    if missing := [name for bit, name in CAPABILITIES.items() if not held >> bit & 1]:
        yield Lack(f"no {' and no '.join(missing)}", "run rollout as root of a machine of its own")
        return
    if rules.program() is None:
        yield Lack("nft is not installed", "apt-get install nftables")
    if not _kernel(folder):
        if userspace.program() is None:
            yield Lack("neither the kernel's WireGuard nor wireguard-go", "apt-get install wireguard-go")
        if not TUN.exists():
            yield Lack(f"no {TUN}", "modprobe tun")


def few_tunnels(folder: Path) -> Lack | None:
    """Where the kernel allows only a part of what a large fleet needs: each tunnel of `wireguard-go` watches a file."""
    try:
        allowed = int(INOTIFY.read_text())
    except (OSError, ValueError):
        return None
    if allowed >= FEW_INOTIFY or _kernel(folder):
        return None
    return Lack(f"room for some {allowed - 12} tunnels ({userspace.INOTIFY} is {allowed})", f"sysctl -w {userspace.INOTIFY}=8192")


def tunnels(folder: Path) -> Tunnels:
    """The kernel's, where it has WireGuard; else `wireguard-go`'s. For the home with this folder (HOME/host/mesh)."""
    return kernel.KernelTunnels() if _kernel(folder) else userspace.UserspaceTunnels()


def _kernel(folder: Path) -> bool:
    return kernel.works(f"{mark_of(folder).links}.try")


def _capabilities() -> int:
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(told.partition("CapEff:")[2].split()[0], 16) if os.geteuid() == 0 else 0
