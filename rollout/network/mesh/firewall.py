"""Rules of others on this host that drop what goes out where egress is open: Docker, for one, has the kernel forward nothing but
what it knows. They are found and told, never changed: whose firewall it is decides.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.network.mesh import namespaces, rules
from rollout.network.mesh.marks import Mark

PROGRAMS = {("ip", "filter"): "iptables", ("ip6", "filter"): "ip6tables"}
"""Which of the older programs made the table of this family and name, and would not know it again after a rule of nft's."""
DOCKERS = "DOCKER-USER"
"""Docker's own chain for the rules of others: it asks them first, and keeps them."""
WAYS = {"-i": "iifname", "-o": "oifname"}
Words = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """`where` drops what is forwarded, ours too; `opens` is the command that lets our links through and nothing else."""

    where: str
    opens: str


def closing(mark: Mark) -> Sequence[Closed]:
    """Each base chain of another table of this process's network that drops what it does not know, and does not know the home's
    links to the outside. Empty where the rules may not be read.
    """
    found = [
        (kind, told) for one in json.loads(rules.every(namespaces.OWN) or "{}").get("nftables", ()) for kind, told in one.items()
    ]
    chains = [told for kind, told in found if kind == "chain"]
    known = [told for kind, told in found if kind == "rule"]
    return [_closed(chain, chains, mark) for chain in chains if _drops(chain) and not _passes(chain, known, mark)]


def _drops(chain: Words) -> bool:
    return chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] in {"ip", "ip6", "inet"}


def _passes(chain: Words, known: Sequence[Words], mark: Mark) -> bool:
    """Somewhere in its table our links are accepted both ways, or everything is in the chain itself."""
    beside = [one for one in known if _table(one) == _table(chain)]
    links = {key for one in beside if _accepts(one) for key, name in _links(one) if name == f"{mark.outlets}*"}
    return links == set(WAYS.values()) or any(one["chain"] == chain["name"] and _whatever(one) for one in beside)


def _accepts(rule: Words) -> bool:
    return any("accept" in part for part in rule["expr"])


def _whatever(rule: Words) -> bool:
    return _accepts(rule) and all(part.keys() <= {"accept", "counter", "comment"} for part in rule["expr"])


def _links(rule: Words) -> Iterator[tuple[str, str]]:
    """Which links it speaks of: `iifname` or `oifname`, and the name."""
    for match in (part["match"] for part in rule["expr"] if "match" in part):
        left = match["left"].get("meta", {}) if isinstance(match["left"], dict) else {}
        if left.get("key") in WAYS.values() and isinstance(match["right"], str):
            yield left["key"], match["right"]


def _table(told: Words) -> tuple[str, str]:
    return str(told["family"]), str(told["table"])


def _closed(chain: Words, chains: Sequence[Words], mark: Mark) -> Closed:
    family, table = _table(chain)
    where = f"chain {chain['name']} of table {family} {table}"
    program = PROGRAMS.get((family, table))
    if program is None:
        into = f"nft insert rule {family} {table} {chain['name']}"
        return Closed(where=where, opens="; ".join(f"{into} {way} '\"{mark.outlets}*\"' accept" for way in WAYS.values()))
    asked = [one["name"] for one in chains if _table(one) == (family, table) and one["name"] == DOCKERS]
    into = f"{program} -I {next(iter(asked), chain['name'])}"
    return Closed(where=where, opens="; ".join(f"{into} {way} {mark.outlets}+ -j ACCEPT" for way in WAYS))
