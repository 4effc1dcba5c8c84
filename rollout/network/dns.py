"""The DNS server of the private network, on loopback: A, AAAA and SRV for the names that the host part publishes."""

import signal
import struct
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from dnslib import AAAA, NS, QTYPE, RCODE, RR, SOA, SRV, A, DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

from rollout.network.names import Place, find

LOOPBACK = "127.0.0.1"
TTL_S = 2
ZONE = "internal"
BAD_PACKET = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error)


def argv(folder: str, port: int) -> tuple[str, ...]:
    """The command that serves the names in `folder` on this port, for the host part to keep."""
    return (sys.executable, "-m", "rollout", "dns", "--names", folder, "--port", str(port))


class Names(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """Answers from the folder, read at every question."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def resolve(self, request: DNSRecord, _handler: DNSHandler) -> DNSRecord:
        """NXDOMAIN for an unknown name of the zone, REFUSED for any other, SERVFAIL when the file cannot be read."""
        reply = request.reply(ra=0)
        name = str(request.q.qname).rstrip(".").lower()
        try:
            place = find(self.folder, _owner(name))
        except (OSError, ValueError):
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        if place is not None:
            _answer(reply, request, place, _owner(name))
        elif name == ZONE:
            _apex(reply, request)
        elif name.endswith(f".{ZONE}"):
            reply.header.rcode = RCODE.NXDOMAIN
            reply.add_auth(_authority())
        else:
            reply.header.aa = 0
            reply.header.rcode = RCODE.REFUSED
        return reply


class Handler(DNSHandler):  # type: ignore[misc]  # dnslib has no types
    """Drops what is not a question instead of printing a trace."""

    udplen = 512

    def handle(self) -> None:
        """One question, one answer; silence for rubbish and for a client that went away."""
        try:
            super().handle()
        except (*BAD_PACKET, OSError):
            return


def serve(folder: str, port: int) -> None:
    """Answer on loopback, UDP and TCP, until SIGTERM or SIGINT. OSError where the port is taken."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)  # before the first answer: whoever was answered may ask for the end
    signal.signal(signal.SIGINT, end)
    servers = start(folder, port)
    ended.wait()
    stop(servers)


def start(folder: str, port: int) -> Sequence[DNSServer]:
    """Both servers answer on threads of their own; `stop` ends them."""
    resolver, silent = Names(folder), DNSLogger("-request,-reply,-truncated,-error")
    servers: list[DNSServer] = []
    try:
        servers.append(DNSServer(resolver, LOOPBACK, port, logger=silent, handler=Handler))
        servers.append(DNSServer(resolver, LOOPBACK, port, tcp=True, logger=silent, handler=Handler))
    except OSError:
        for server in servers:
            server.server.server_close()
        raise
    for server in servers:
        server.start_thread()
    return servers


def stop(servers: Sequence[DNSServer]) -> None:
    """Neither answers any more, the port is free."""
    for server in servers:
        server.stop()
        server.server.server_close()


def _owner(name: str) -> str:
    """The published name behind `name`: an SRV question may put `_http._tcp.` before it."""
    labels = name.split(".")
    return ".".join(labels[2:]) if len(labels) > 2 and labels[0][:1] == labels[1][:1] == "_" else name


def _answer(reply: DNSRecord, request: DNSRecord, place: Place, owner: str) -> None:
    kind, data = ("AAAA", AAAA(place.address)) if ":" in place.address else ("A", A(place.address))
    asked = QTYPE.get(request.q.qtype)
    address = RR(owner, getattr(QTYPE, kind), rdata=data, ttl=TTL_S)
    found = []
    if asked in {kind, "ANY"} and owner == str(request.q.qname).rstrip(".").lower():
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
