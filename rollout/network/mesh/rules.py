"""What a room does with what is sent to a service's address: to the edge, which listens in the room, or straight to an instance.

One nft table for IPv6 and one for IPv4, which the edge has no part in; all written in one transaction, which no open connection
notices. What is led on to another host hides behind this one's hub: the answers have to come back the same way.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh.addresses import Block
from rollout.network.mesh.links import INSIDE

EDGE_PORT = 10000
"""Where the edge listens in every room: kept in `edge` under the same number."""
PLACES = "/usr/sbin:/sbin:/usr/bin:/bin"
PATIENCE_S = 20.0
LED = 1
"""The mark of connections that were led straight to an instance: the kernel lists these alone, of all that pass a room."""

Leads = Mapping[str, tuple[str, int]]
"""Address of a service of kind tcp: address and port that get its new connections, both of one family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """How nft calls one of the two. `wide`: IPv6."""

    wide: bool

    @property
    def ip(self) -> str:
        return "ip6" if self.wide else "ip"

    @property
    def table(self) -> str:
        return f"{self.ip} mesh"

    @property
    def type(self) -> str:
        return "ipv6_addr" if self.wide else "ipv4_addr"

    def of(self, leads: Leads) -> Leads:
        return {service: place for service, place in leads.items() if (":" in service) is self.wide}


FAMILIES = _Family(wide=True), _Family(wide=False)


def program() -> str | None:
    """Where `nft` is; None where it is not installed."""
    return shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{PLACES}")


def tables(block: Block, leads: Leads) -> str:
    """All of it, for the first time, for an environment on this host."""
    return "".join(_table(family, block, family.of(leads)) for family in FAMILIES)


def leading(leads: Leads) -> str:
    """The tables are there; these leads and no others."""
    flushed = [f"flush map {family.table} led\nflush set {family.table} itself\n" for family in FAMILIES]
    return "".join([*flushed, *(_elements(family, family.of(leads)) for family in FAMILIES)])


def _table(family: _Family, block: Block, leads: Leads) -> str:
    ip, kind = family.ip, family.type
    led = f"meta l4proto tcp dnat {ip} to {ip} daddr map @led"
    if family.wide:
        led += f"; ip6 daddr {block.services} meta l4proto tcp redirect to :{EDGE_PORT}"
    elsewhere = f'oifname "{INSIDE}" {ip} daddr != {block.here if family.wide else block.here4}'
    return f"""
add table {family.table}
delete table {family.table}
table {family.table} {{
  map led {{ type {kind} : {kind} . inet_service; }}
  set itself {{ type {kind} . {kind}; }}
  chain coming {{ type nat hook prerouting priority dstnat; {led}; }}
  chain here {{ type nat hook output priority -100; {led}; }}
  chain back {{ type nat hook postrouting priority srcnat
    ct status dnat ct mark set {LED}
    ct status dnat {ip} saddr . {ip} daddr @itself masquerade
    ct status dnat {elsewhere} masquerade
  }}
}}
{_elements(family, leads)}"""


def _elements(family: _Family, leads: Leads) -> str:
    if not leads:
        return ""
    led = ", ".join(f"{service} : {address} . {port}" for service, (address, port) in sorted(leads.items()))
    itself = ", ".join(f"{address} . {address}" for address in sorted({address for address, _ in leads.values()}))
    return f"add element {family.table} led {{ {led} }}\nadd element {family.table} itself {{ {itself} }}\n"


def has(namespace: str, table: str) -> bool:
    """The namespace at this path has such a table."""
    return not _run(namespace, "list", "table", *table.split()).returncode


def every(namespace: str) -> str:
    """All rules in the namespace at this path as JSON (libnftables-json(5)); empty where they may not be read."""
    if program() is None:
        return ""
    done = _run(namespace, "-j", "list", "ruleset")
    return "" if done.returncode else done.stdout


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
