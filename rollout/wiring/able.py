"""Whether this machine lets this user make a private network; else what is lacking for that, and what gives it. Cheap to load."""

import os
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rollout.errors import RolloutError

TUN, IPV6 = Path("/dev/net/tun"), Path("/proc/net/if_inet6")
CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21}
STATUS = Path("/proc/self/status")
PACKAGES = {"wireguard-go": "wireguard-go", "nft": "nftables"}
"""The programs that it takes, and where Debian has them; that of tunnels only where the kernel makes none."""


def lacking() -> Iterator[tuple[str, str]]:
    """What this machine, or this user, lacks for a private network, and the command that helps."""
    if sys.platform != "linux":
        yield "it is not Linux", "run rollout on Linux, as root"
        return
    absent = [name for name, bit in CAPABILITIES.items() if not _effective() >> bit & 1]
    if absent:
        yield f"no {' and '.join(absent)}", "run rollout as root"
    if not IPV6.exists():
        yield "no IPv6", "start the kernel without ipv6.disable=1"
    yield from _without("nft")
    tunnels = [(f"no {TUN}", "modprobe tun")] if not TUN.exists() else []
    tunnels += _without("wireguard-go")
    if tunnels and (absent or not by_the_kernel()):
        yield from tunnels


@cache
def by_the_kernel() -> bool:
    """The tunnels are the kernel's own. Found by trying, which takes a third of a second, once; for who has the capabilities."""
    from rollout.network.mesh.kernel import works  # noqa: PLC0415 (few need to know)

    try:
        return works()
    except RolloutError:
        return False


def _without(program: str) -> Iterator[tuple[str, str]]:
    places = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    if shutil.which(program, path=places) is None:
        yield f"no {program}", f"apt-get install {PACKAGES[program]}"


def here() -> bool:
    """Containers of this machine are in a private network, when this user runs them."""
    return not any(lacking())


def _effective() -> int:
    """The capabilities of this process, as bits (capabilities(7))."""
    told = STATUS.read_text(encoding="ascii", errors="replace")
    return int(told.partition("CapEff:")[2].split()[0], 16)
