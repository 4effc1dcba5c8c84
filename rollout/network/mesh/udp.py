"""UDP ports of this host for tunnels."""

import socket
from collections.abc import Collection

TRIES = 64


def free(port: int) -> bool:
    """Nobody has it, on IPv4 and IPv6: a tunnel wants both, and says nothing when it gets none."""
    try:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with socket.socket(family, socket.SOCK_DGRAM) as line:
                if family == socket.AF_INET6:
                    line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                line.bind((address, port))
    except OSError:
        return False
    return True


def choose(taken: Collection[int]) -> int:
    """A free port that is not among `taken`. OSError when the host has none."""
    for _ in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.bind(("0.0.0.0", 0))
            port: int = line.getsockname()[1]
        if port not in taken and free(port):
            return port
    raise OSError(0, "no UDP port is free")
