"""Whether this machine lets this user make a private network; else what is lacking for that, and what gives it. Cheap to load."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

TUN, IPV6 = Path("/dev/net/tun"), Path("/proc/net/if_inet6")
CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21}
STATUS = Path("/proc/self/status")
PACKAGES = {"wireguard-go": "wireguard-go", "nft": "nftables"}
"""The programs that it takes, and where Debian has them."""


def lacking() -> Iterator[tuple[str, str]]:
    """What this machine, or this user, lacks for a private network, and the command that helps."""
    if sys.platform != "linux":
        yield "it is not Linux", "run rollout on Linux, as root"
        return
    if absent := [name for name, bit in CAPABILITIES.items() if not _effective() >> bit & 1]:
        yield f"no {' and '.join(absent)}", "run rollout as root"
    if not TUN.exists():
        yield f"no {TUN}", "modprobe tun"
    if not IPV6.exists():
        yield "no IPv6", "start the kernel without ipv6.disable=1"
    places = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    for program, package in PACKAGES.items():
        if shutil.which(program, path=places) is None:
            yield f"no {program}", f"apt-get install {package}"


def here() -> bool:
    """Containers of this machine are in a private network, when this user runs them."""
    return not any(lacking())


def _effective() -> int:
    """The capabilities of this process, as bits (capabilities(7))."""
    told = STATUS.read_text(encoding="ascii", errors="replace")
    return int(told.partition("CapEff:")[2].split()[0], 16)
