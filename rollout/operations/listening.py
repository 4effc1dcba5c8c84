"""Where the copies of a service listen, and how that was found."""

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.errors import HostGoneError
from rollout.host.ports import HostPart
from rollout.model.fleet import RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Listens:
    """One copy that its names lead to. `note`: `given PORT 41234`, or `found 8081, declared 8080`."""

    runtime: RuntimeName
    replica: int
    address: str
    note: str


def listening(host: HostPart, service: str) -> Sequence[Listens]:
    """The copies of the service that names lead to, legacy first; none where there is no host part."""
    try:
        held = host.instances(service)
    except HostGoneError:
        return ()
    found = [one for one in held if one.wanted and one.address]
    return [
        Listens(runtime=one.runtime, replica=one.replica, address=one.address, note=one.note)
        for one in sorted(found, key=lambda one: (one.runtime, one.token, one.replica))
    ]


def edge(host: HostPart) -> str:
    """`host:port` where the edge listens; empty where there is no host part."""
    try:
        return host.hello()["edge"]
    except HostGoneError:
        return ""
