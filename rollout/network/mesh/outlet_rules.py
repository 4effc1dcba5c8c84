"""Rules for ways out: one nft table in each room that has one, and one of the home's own in the host's network.

Out goes what an instance begins, in comes what answers it. Not to the host itself, nor to link-local addresses beyond it (where
clouds keep a machine's secrets), nor to another environment.
"""

from collections.abc import Sequence

from rollout.network.mesh.marks import Mark

ROOM = "inet egress"
ANSWERS = "ct state established,related accept"
DISCOVERY = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
REJECT = "reject with icmpx admin-prohibited"


def of_a_room(out: str, home: str) -> str:
    """The table of a room whose way out is the link `out`. `home`: the /48 of all environments, none of which is outside."""
    return f"""
add table {ROOM}
delete table {ROOM}
table {ROOM} {{
  chain passing {{ type filter hook forward priority filter;
    oifname "{out}" ip6 daddr {home} {REJECT}
    iifname "{out}" {ANSWERS}
    iifname "{out}" drop
  }}
  chain coming {{ type filter hook input priority filter;
    iifname "{out}" {DISCOVERY}
    iifname "{out}" {ANSWERS}
    iifname "{out}" drop
  }}
  chain hiding {{ type nat hook postrouting priority srcnat; oifname "{out}" masquerade; }}
}}
"""


def name(mark: Mark) -> str:
    """The home's table in the host's network."""
    return f"inet rollout_{mark.text}"


def of_the_host(mark: Mark, hidden: Sequence[str], ours: Sequence[str]) -> str:
    """The whole table. `hidden`: the networks of all links. `ours`: `ipv4`, `ipv6` where the host forwards for us alone."""
    table, link = name(mark), f'"{mark.outlets}*"'
    four, six = (", ".join(sorted(net for net in hidden if (":" in net) is wide)) for wide in (False, True))
    masks = [f"{kind} saddr {{ {nets} }} oifname != {link} masquerade" for kind, nets in (("ip", four), ("ip6", six)) if nets]
    alone = [f"meta nfproto {kind} drop" for kind in ours]
    return f"""
add table {table}
delete table {table}
table {table} {{
  chain passing {{ type filter hook forward priority filter;
    iifname {link} oifname {link} drop
    iifname {link} ip daddr 169.254.0.0/16 {REJECT}
    iifname {link} accept
    oifname {link} {ANSWERS}
    oifname {link} drop
    {_lines(alone)}
  }}
  chain coming {{ type filter hook input priority filter;
    iifname {link} {DISCOVERY}
    iifname {link} {REJECT}
  }}
  chain hiding {{ type nat hook postrouting priority srcnat;
    {_lines(masks)}
  }}
}}
"""


def gone(mark: Mark) -> str:
    """There is no such table, whether there was one or not."""
    return f"add table {name(mark)}\ndelete table {name(mark)}\n"


def _lines(found: Sequence[str]) -> str:
    return "\n    ".join(found)
