"""What a room does with what is sent to a service's address: to the edge, which listens in the room, or straight to an instance.

One nft table; written as a whole, in one transaction, which no open connection notices.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping

from rollout.errors import BrokenError
from rollout.network.inside import inside

EDGE_PORT = 10000
"""Where the edge listens in every room: kept in `edge` under the same number."""
PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
PATIENCE_S = 20.0
TABLE = "ip6 mesh"

Leads = Mapping[str, tuple[str, int]]
"""Address of a service of kind tcp: address and port of the instance that gets its new connections."""


def program() -> str | None:
    """Where `nft` is; None where it is not installed."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{PLACES}")


def table(services: str, leads: Leads) -> str:
    """The whole table, for the first time. `services`: the /80 of the environment's services."""
    led = "meta l4proto tcp dnat ip6 to ip6 daddr map @led"
    else_edge = f"ip6 daddr {services} meta l4proto tcp redirect to :{EDGE_PORT}"
    return f"""
add table {TABLE}
delete table {TABLE}
table {TABLE} {{
  map led {{ type ipv6_addr : ipv6_addr . inet_service; }}
  set itself {{ type ipv6_addr . ipv6_addr; }}
  chain coming {{ type nat hook prerouting priority dstnat; {led}; {else_edge}; }}
  chain here {{ type nat hook output priority -100; {led}; {else_edge}; }}
  chain calls_itself {{ type nat hook postrouting priority srcnat; ct status dnat ip6 saddr . ip6 daddr @itself masquerade; }}
}}
{_elements(leads)}"""


def leading(leads: Leads) -> str:
    """The table is there; these leads and no others."""
    return f"flush map {TABLE} led\nflush set {TABLE} itself\n{_elements(leads)}"


def _elements(leads: Leads) -> str:
    if not leads:
        return ""
    led = ", ".join(f"{service} : {address} . {port}" for service, (address, port) in sorted(leads.items()))
    itself = ", ".join(f"{address} . {address}" for address in sorted({address for address, _ in leads.values()}))
    return f"add element {TABLE} led {{ {led} }}\nadd element {TABLE} itself {{ {itself} }}\n"


def has(namespace: str, table: str) -> bool:
    """The namespace at this path has such a table."""
    return not _run(namespace, "list", "table", *table.split()).returncode


def apply(namespace: str, script: str) -> None:
    """The script is in force in the namespace at this path, all of it; or BrokenError, and nothing of it."""
    done = _run(namespace, "-f", "-", script=script)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise BrokenError(f"nft refused the rules of {namespace}: {said[0] if said else done.returncode}", then="rollout doctor")


def _run(namespace: str, *arguments: str, script: str = "") -> "subprocess.CompletedProcess[str]":
    nft = program()
    if nft is None:
        raise BrokenError("nft is not installed", then="apt-get install nftables")
    with inside(namespace):
        return subprocess.run(
            [nft, *arguments], input=script, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd="/"
        )
