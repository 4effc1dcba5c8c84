"""Names of services that run on another host: asked there, of the DNS server in the room of the same environment.

Through the hubs' tunnel like everything else between two hosts; so nothing has to be told, kept or forgotten when a service moves
from one host to the other: whoever publishes its name now answers. What comes to a hub's address is never asked further.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Collection, Iterator

from dnslib import RCODE, DNSError, DNSRecord

from rollout.host.rooms import Room
from rollout.network.inside import open_inside

PORT = 53
TRIES, PATIENCE_S = 2, 0.5
"""A neighbour that is silent for so long is asked once more."""
MOST = 4096
UNREADABLE = (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, DNSError)


class SilentError(Exception):
    """Of those who might know the name, some did not answer."""


def ask(room: Room, packet: bytes) -> bytes | None:
    """What the first neighbour answers that knows the name, as it came; None where none of them does.

    SilentError where none of those that answer does. OSError and BrokenError where the room cannot be entered.
    """
    waiting = set(room.neighbours)
    with open_inside(room.path, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as line:
        line.bind((room.hub, 0))
        for _ in range(TRIES):
            for neighbour in waiting:
                with contextlib.suppress(OSError):  # no way there now
                    line.sendto(packet, (neighbour, PORT))
            for said, neighbour in _heard(line, waiting):
                rcode = _rcode(said, packet)
                if rcode == RCODE.NOERROR:
                    return said
                if rcode == RCODE.NXDOMAIN:
                    waiting.discard(neighbour)
    if waiting:
        raise SilentError
    return None


def _heard(line: socket.socket, waiting: Collection[str]) -> Iterator[tuple[bytes, str]]:
    """What those we wait for say, until all have said no or the time is over."""
    limit = time.monotonic() + PATIENCE_S
    while waiting and (left := limit - time.monotonic()) > 0:
        line.settimeout(left)
        try:
            said, place = line.recvfrom(MOST)
        except OSError:  # that is the time-out too
            continue
        if place[0] in waiting:
            yield said, place[0]


def _rcode(said: bytes, packet: bytes) -> int | None:
    """None for what is no answer to this question."""
    try:
        answer, asked = DNSRecord.parse(said), DNSRecord.parse(packet)
    except UNREADABLE:
        return None
    fits = answer.header.id == asked.header.id and answer.header.qr and answer.q == asked.q
    return int(answer.header.rcode) if fits else None
