"""WireGuard's cross-platform userspace interface: text over the control socket of one tunnel.

`set=1` and lines `key=value` until an empty line; the answer ends with `errno=NUMBER`. Described on wireguard.com/xplatform.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from rollout.errors import BrokenError
from rollout.network.mesh.tunnels import KEEPALIVE_S, Peer, Settings

SOCKETS = Path("/var/run/wireguard")
"""Made by the first tunnel of the machine and never removed by us: another home may be just about to open its socket there."""
PATIENCE_S = 10.0
CREDENTIALS = struct.Struct("3i")


def path_of(name: str) -> Path:
    """Where the tunnel of this name listens: one place for all network namespaces."""
    return SOCKETS / f"{name}.sock"


def owner(name: str) -> int:
    """The pid of the process that listens for this tunnel; 0 when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        try:
            line.connect(str(path_of(name)))
        except OSError:
            return 0
        told = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid: int = CREDENTIALS.unpack(told)[0]
    return pid


def write(name: str, settings: Settings) -> None:
    """The change is done. BrokenError when the tunnel does not answer or refuses it."""
    answer = dict(_ask(name, "\n".join(("set=1", *_lines(settings)))))
    number = abs(int(answer.get("errno", "-1")))
    if number:
        raise BrokenError(f"tunnel {name} refused its settings: {os.strerror(number)}", then="rollout doctor")


def handshakes(name: str) -> dict[str, int]:
    """When each peer (public key) was last shaken hands with, in seconds of Unix time; 0 for never."""
    found, key = {}, ""
    for word, value in _ask(name, "get=1"):
        if word == "public_key":
            key = value
        elif word == "last_handshake_time_sec":
            found[key] = int(value)
    return found


def _lines(settings: Settings) -> Iterator[str]:
    if settings.private_key:
        yield f"private_key={settings.private_key}"
        yield f"listen_port={settings.port}"
        yield "replace_peers=true"
    for key in settings.gone:
        yield f"public_key={key}"
        yield "remove=true"
    for peer in settings.peers:
        yield from _peer(peer)


def _peer(peer: Peer) -> Iterator[str]:
    yield f"public_key={peer.public_key}"
    yield f"endpoint={peer.endpoint}"
    yield f"persistent_keepalive_interval={KEEPALIVE_S}"
    yield "replace_allowed_ips=true"
    for network in peer.allowed:
        yield f"allowed_ip={network}"


def _ask(name: str, text: str) -> list[tuple[str, str]]:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(PATIENCE_S)
            line.connect(str(path_of(name)))
            line.sendall(f"{text}\n\n".encode())
            return _until_blank(line)
    except OSError as error:
        raise BrokenError(f"tunnel {name} does not answer: {error.strerror or error}", then="rollout up mends it") from error


def _until_blank(line: socket.socket) -> list[tuple[str, str]]:
    """The pairs of an answer: it ends with an empty line."""
    heard = bytearray()
    while not heard.endswith(b"\n\n"):
        part = line.recv(1 << 16)
        if not part:
            raise OSError(0, "it hung up")
        heard += part
    return [(key, value) for key, _, value in (text.partition("=") for text in heard.decode().split())]
