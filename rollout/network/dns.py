"""The DNS server of this host: A, AAAA and SRV for the names that the host part publishes, on loopback and in every room."""

import signal
import struct
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from dnslib import DNSRecord
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

from rollout.host.rooms import Rooms
from rollout.network.answers import on_the_host
from rollout.network.dns_rooms import LOOK_S, RoomNames

LOOPBACK = "127.0.0.1"
BAD_PACKET = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error)


def argv(folder: str, port: int, rooms: str = "") -> tuple[str, ...]:
    """The command that serves the names in `folder` on this port and in the rooms in the folder `rooms`, to be kept."""
    more = ("--rooms", rooms) if rooms else ()
    return (sys.executable, "-m", "rollout", "dns", "--names", folder, "--port", str(port), *more)


class Names(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """Answers from the folder, read at every question."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def resolve(self, request: DNSRecord, _handler: DNSHandler) -> DNSRecord:
        """See `on_the_host`."""
        return on_the_host(self.folder, request)


class Handler(DNSHandler):  # type: ignore[misc]  # dnslib has no types
    """Drops what is not a question instead of printing a trace."""

    udplen = 512

    def handle(self) -> None:
        """One question, one answer; silence for rubbish and for a client that went away."""
        try:
            super().handle()
        except (*BAD_PACKET, OSError):
            return


def serve(folder: str, port: int, rooms: Rooms | None = None) -> None:
    """Answer on loopback and in all rooms, UDP and TCP, until SIGTERM or SIGINT. OSError where the port on loopback is taken.

    Rooms are followed: one that is made, or made again, is answered in within a second.
    """
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)  # before the first answer: whoever was answered may ask for the end
    signal.signal(signal.SIGINT, end)
    servers = start(folder, port)
    inside = RoomNames(folder, rooms) if rooms else None
    while not ended.wait(LOOK_S) and (inside is None or inside.well()):  # whoever keeps us starts us again
        pass
    if inside:
        inside.close()
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
