"""Connections that a room led to an instance, as its kernel tracks them."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2 import Conntrack
from pyroute2.netlink.exceptions import NetlinkError

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh.rules import LED

OPEN = range(2, 6)
"""States of TCP from the first answer to the last farewell: SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT."""

FAMILIES = {socket.AF_INET6: "CTA_IP_V6", socket.AF_INET: "CTA_IP_V4"}


@dataclass(frozen=True, slots=True)
class Flow:
    """One open connection: who opened it, to which address, and which one answers."""

    client: str
    asked: str
    answers: str


def open_flows(namespace: str) -> list[Flow]:
    """Open TCP connections that the room at this path has led to an instance. BrokenError where its kernel does not say.

    Those to the edge are not asked for: there may be thousands, and reading each of them would take seconds.
    """
    try:
        with inside(namespace):
            return [flow for family in FAMILIES for flow in _open(family)]
    except (NetlinkError, OSError) as error:
        raise BrokenError(f"cannot count connections in {namespace}: {error}", then="rollout doctor") from error


def _open(family: socket.AddressFamily) -> Iterator[Flow]:
    ip = FAMILIES[family]
    with Conntrack(nfgen_family=family) as kernel:
        for entry in kernel.dump(mark=LED):
            asked, answered = entry.get_attr("CTA_TUPLE_ORIG"), entry.get_attr("CTA_TUPLE_REPLY")
            tcp = _in(entry, "CTA_PROTOINFO", "CTA_PROTOINFO_TCP")
            if tcp is not None and tcp.get_attr("CTA_PROTOINFO_TCP_STATE") in OPEN:
                yield Flow(
                    client=_in(asked, "CTA_TUPLE_IP", f"{ip}_SRC"),
                    asked=_in(asked, "CTA_TUPLE_IP", f"{ip}_DST"),
                    answers=_in(answered, "CTA_TUPLE_IP", f"{ip}_SRC"),
                )


def _in(message: Any, *names: str) -> Any:  # pyroute2 has no types
    for name in names:
        message = message.get_attr(name) if message is not None else None
    return message
