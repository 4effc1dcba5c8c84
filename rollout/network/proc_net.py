"""Listening sockets of another network namespace from /proc: slow, but without the right to enter it."""

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from rollout.network.sock_diag import Told, is_loopback

LISTEN = "0A"
FAMILIES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}


def listening(pids: Sequence[int]) -> Iterator[Told]:
    """Every TCP socket that listens in the network namespace of these processes; none where all of them are gone."""
    for table, family in FAMILIES.items():
        for line in _lines(pids, table):
            _, local, _, state, *more = line.split()
            if state == LISTEN:
                address, _, port = local.partition(":")
                raw = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
                yield Told(int(more[5]), socket.inet_ntop(family, raw), int(port, 16), is_loopback(raw))


def _lines(pids: Sequence[int], table: str) -> Sequence[str]:
    for pid in pids:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()
    return ()
