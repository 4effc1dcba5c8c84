"""Where the copies of a service listen, and how that was found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.errors import HostGoneError
from rollout.host.ports import Attached, HostPart
from rollout.model.fleet import RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Listens:
    """One copy that its names lead to. `note`: `given PORT 41234`, or `found 8081, declared 8080`.

    `apart`: in a network of its own. `others`: further ports, `for_itself`: those that nobody else reaches, where that was asked.
    """

    runtime: RuntimeName
    replica: int
    address: str
    note: str
    apart: bool = False
    others: tuple[int, ...] = ()
    for_itself: tuple[int, ...] = ()


def listening(host: HostPart, service: str) -> Sequence[Listens]:
    """The copies of the service that names lead to, legacy first; none where there is no host part."""
    return [_listens(one) for one in _held(host, service)]


def all_ports(host: HostPart, service: str) -> Sequence[Listens]:
    """As `listening`, each with the other ports that it listens on at this moment."""
    found = []
    for one in _held(host, service):
        chosen = int(one.address.rpartition(":")[2])
        seen = [listener for listener in host.listeners(one.id) if listener.port != chosen]
        reached = {listener.port for listener in seen if not (one.apart and listener.loopback)}
        alone = {listener.port for listener in seen} - reached
        found.append(replace(_listens(one), others=tuple(sorted(reached)), for_itself=tuple(sorted(alone))))
    return found


def _held(host: HostPart, service: str) -> Sequence[Attached]:
    try:
        held = host.instances(service)
    except HostGoneError:
        return ()
    found = [one for one in held if one.wanted and one.address]
    return sorted(found, key=lambda one: (one.runtime, one.token, one.replica))


def _listens(one: Attached) -> Listens:
    return Listens(runtime=one.runtime, replica=one.replica, address=one.address, note=one.note, apart=one.apart)


def edge(host: HostPart) -> str:
    """`host:port` where the edge listens; empty where there is no host part."""
    try:
        return host.hello()["edge"]
    except HostGoneError:
        return ""
