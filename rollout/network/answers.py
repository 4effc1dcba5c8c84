"""What the DNS server says: on the host to every name that the host part publishes, in a room to those of its environment."""

import ipaddress
import os
import re

from dnslib import AAAA, NS, QTYPE, RCODE, RR, SOA, SRV, A, DNSRecord

from rollout.network.names import Place, find

TTL_S = 2
ZONE = "internal"
OURS = re.compile(r"(.*\.)?(internal|d\.f\.ip6\.arpa|(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.100\.in-addr\.arpa)")
"""Names that nobody outside could answer: ours, and those of private addresses."""

Folder = str | os.PathLike[str]


def on_the_host(folder: Folder, request: DNSRecord) -> DNSRecord:
    """NXDOMAIN for an unknown name of the zone, REFUSED for any other, SERVFAIL when the file cannot be read."""
    name = _name(request)
    reply = request.reply(ra=0)
    try:
        place = find(folder, _owner(name))
    except (OSError, ValueError):
        return _failed(reply)
    if place is not None:
        _answer(reply, request, place, _owner(name))
    elif name == ZONE:
        _apex(reply, request)
    elif name.endswith(f".{ZONE}"):
        _unknown(reply)
    else:
        reply.header.aa = 0
        reply.header.rcode = RCODE.REFUSED
    return reply


def in_a_room(folder: Folder, request: DNSRecord, environment: str) -> DNSRecord | None:
    """Names of this environment that lead into the private network; NXDOMAIN for all others of ours. None for outside names."""
    name = _name(request)
    if not OURS.fullmatch(name):
        return None
    reply = request.reply(ra=0)
    if name == ZONE:
        _apex(reply, request)
        return reply
    if name == f"{environment}.{ZONE}":
        reply.add_auth(_authority())
        return reply
    owner = _owner(name)
    try:
        place = find(folder, owner) if owner.endswith(f".{environment}.{ZONE}") else None
        lost = place is not None and ipaddress.ip_address(place.address).is_loopback
    except (OSError, ValueError):
        return _failed(reply)
    if place is None or lost:  # a plain process: there its address would lead whoever asks to itself
        _unknown(reply)
    else:
        _answer(reply, request, place, owner)
    return reply


def may_be_elsewhere(reply: DNSRecord, request: DNSRecord, environment: str) -> bool:
    """Nobody has this name of the environment here; on another host somebody may."""
    return bool(reply.header.rcode == RCODE.NXDOMAIN) and _name(request).endswith(f".{environment}.{ZONE}")


def closed(request: DNSRecord) -> DNSRecord:
    """For outside names where egress is closed. NXDOMAIN, as musl's resolver waits for its time-out after a REFUSED."""
    reply = request.reply(ra=0, aa=0)
    reply.header.rcode = RCODE.NXDOMAIN
    return reply


def failed(request: DNSRecord) -> DNSRecord:
    """SERVFAIL: ask again later."""
    return _failed(request.reply(ra=0, aa=0))


def _failed(reply: DNSRecord) -> DNSRecord:
    reply.header.rcode = RCODE.SERVFAIL
    return reply


def _unknown(reply: DNSRecord) -> None:
    reply.header.rcode = RCODE.NXDOMAIN
    reply.add_auth(_authority())


def _name(request: DNSRecord) -> str:
    return str(request.q.qname).rstrip(".").lower()


def _owner(name: str) -> str:
    """The published name behind `name`: an SRV question may put `_http._tcp.` before it."""
    labels = name.split(".")
    return ".".join(labels[2:]) if len(labels) > 2 and labels[0][:1] == labels[1][:1] == "_" else name


def _answer(reply: DNSRecord, request: DNSRecord, place: Place, owner: str) -> None:
    kind, data = ("AAAA", AAAA(place.address)) if ":" in place.address else ("A", A(place.address))
    asked = QTYPE.get(request.q.qtype)
    address = RR(owner, getattr(QTYPE, kind), rdata=data, ttl=TTL_S)
    found = []
    if asked in {kind, "ANY"} and owner == _name(request):
        found.append(address)
    if asked in {"SRV", "ANY"}:
        found.append(RR(request.q.qname, QTYPE.SRV, rdata=SRV(0, 0, place.port, owner), ttl=TTL_S))
        if asked == "SRV":
            reply.add_ar(address)
    reply.add_answer(*found)
    if not found:
        reply.add_auth(_authority())


def _apex(reply: DNSRecord, request: DNSRecord) -> None:
    asked = QTYPE.get(request.q.qtype)
    if asked in {"SOA", "ANY"}:
        reply.add_answer(_authority())
    elif asked == "NS":
        reply.add_answer(RR(ZONE, QTYPE.NS, rdata=NS(f"dns.{ZONE}"), ttl=TTL_S))
    else:
        reply.add_auth(_authority())


def _authority() -> RR:
    """Who answers for the zone; its last number is how long a client may remember that a name is unknown."""
    times = (1, 60, 60, 60, TTL_S)
    return RR(ZONE, QTYPE.SOA, rdata=SOA(f"dns.{ZONE}", f"nobody.{ZONE}", times), ttl=TTL_S)
