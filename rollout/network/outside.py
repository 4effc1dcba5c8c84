"""Names of the outside: asked of the resolvers that the host itself asks."""

import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

RESOLV = Path("/etc/resolv.conf")
PORT = 53
TIMEOUT_S = 2.0
AT_MOST = 3
"""So many resolvers are asked, as the C library does."""
LONGEST = 65535

Resolvers = Callable[[], Sequence[tuple[str, int]]]


def of_the_host() -> Sequence[tuple[str, int]]:
    """What its resolv.conf names now; none where there is none."""
    try:
        lines = RESOLV.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [(line[1], PORT) for line in words if len(line) > 1 and line[0] == "nameserver"][:AT_MOST]


def ask(packet: bytes, resolvers: Resolvers, *, tcp: bool) -> bytes | None:
    """The answer of the first resolver that gives one, as it came; None where none does."""
    for place in resolvers():
        with contextlib.suppress(OSError, struct.error):
            answer = _by_tcp(packet, place) if tcp else _by_udp(packet, place)
            if answer[:2] == packet[:2]:
                return answer
    return None


def read_exactly(near: socket.socket, size: int) -> bytes:
    """So many bytes of a stream. ConnectionError where it ends before."""
    data = b""
    while len(data) < size:
        piece = near.recv(size - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def read_message(near: socket.socket) -> bytes:
    """The next DNS message of a TCP connection. ConnectionError where it ends before."""
    (size,) = struct.unpack("!H", read_exactly(near, 2))
    return read_exactly(near, size)


def framed(message: bytes) -> bytes:
    """As it goes over TCP."""
    return struct.pack("!H", len(message)) + message


def _by_udp(packet: bytes, place: tuple[str, int]) -> bytes:
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.settimeout(TIMEOUT_S)
        far.connect(place)
        far.send(packet)
        return far.recv(LONGEST)


def _by_tcp(packet: bytes, place: tuple[str, int]) -> bytes:
    with socket.create_connection(place, timeout=TIMEOUT_S) as far:
        far.sendall(framed(packet))
        return read_message(far)
