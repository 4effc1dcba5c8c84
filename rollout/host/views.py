"""What follows from a record: the route at the edge, the names, and what callers see. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rollout.host.ledger import Held, Record
from rollout.host.ports import Attached, InstanceFacts, InstanceSpec, Listener, Phase, Route
from rollout.model.fleet import RuntimeName

LOOPBACK = "127.0.0.1"
MAPPED = "::ffff:"
DNS_PORT, HTTP = 53, 80
ALL = 100
"""The full weight, in percent."""


def address(held: Held) -> str:
    """Where the instance listens or will: the port it was last attached on, else the one it was given."""
    return _at(held, held.port or held.spec.port)


def addresses(held: Held) -> list[str]:
    """All addresses on which the edge may have asked it."""
    return [address(held), *([_at(held, held.spare)] if held.spare else [])]


def ipv4(listeners: Sequence[Listener], port: int) -> bool:
    """On this port only IPv4 is listened on, and not for itself alone."""
    found = [one.address for one in listeners if one.port == port and not one.loopback]
    return bool(found) and all(":" not in one or one.startswith(MAPPED) for one in found)


def place(own: Sequence[str], *, ipv4: bool) -> str:
    """Where an instance with these addresses of its own is reached; one without is on this host's network."""
    return own[1 if ipv4 else 0] if own else LOOPBACK


def at(place: str, port: int) -> str:
    """The two as one address."""
    return f"[{place}]:{port}" if ":" in place else f"{place}:{port}"


def _place(held: Held) -> str:
    return place(held.spec.own, ipv4=held.ipv4)


def _at(held: Held, port: int) -> str:
    return at(_place(held), port)


def attached(held: Held, facts: InstanceFacts | None) -> Attached:
    """What callers see of an instance; one that never ran is `gone`."""
    spec = held.spec
    return Attached(
        id=spec.id,
        token=spec.token,
        replica=spec.replica,
        service=spec.service,
        runtime=spec.runtime,
        release=spec.release,
        facts=facts or InstanceFacts(id=spec.id, phase=Phase.GONE),
        address=address(held) if held.attached else "",
        note=held.note,
        wanted=held.wanted,
        apart=bool(spec.network),
        own=spec.own,
    )


def route(record: Record) -> Route | None:
    """What the edge should do; None as long as nobody has weighed the service, and for one that the edge has no part in."""
    if record.weight is None or not _through_edge(record):
        return None
    return Route(
        host_name=record.host_name,
        legacy=_side(record, RuntimeName.LEGACY),
        v2=_side(record, RuntimeName.V2),
        weight=record.weight,
        environment=record.service.partition("/")[0],
        address=stable(record),
        spares={address(h): _at(h, h.spare) for h in record.held.values() if h.led and h.spare},
    )


def stable(record: Record) -> str:
    """The address that stays while copies come and go; empty for a service on the host's own network."""
    return record.address if not record.held or any(h.spec.network for h in record.held.values()) else ""


def _through_edge(record: Record) -> bool:
    """Does traffic of the service pass the edge? Not that of a worker, and not plain TCP."""
    return not record.held or any(h.spec.serves and not h.spec.direct for h in record.held.values())


def _side(record: Record, runtime: RuntimeName) -> tuple[str, ...]:
    mates = [h for h in record.held.values() if h.spec.runtime is runtime and h.spec.serves and not h.spec.direct]
    held = [h for h in mates if h.led]
    return tuple(address(h) for h in sorted(held, key=lambda h: (h.order, h.spec.replica)))


def order(record: Record, held: Held) -> int:
    """Its place among the launches of the service: that of its token, else the next."""
    mates = [h.order for h in record.held.values() if h.attached and h.spec.token == held.spec.token]
    return max(mates, default=1 + max((h.order for h in record.held.values()), default=0))


def names(record: Record, edge: str) -> dict[str, tuple[str, int]]:
    """Every name that should resolve. The service's own leads to the edge, so that a neighbour never notices a move: in the
    private network by an address of the service's own, that takes any port.

    `runtime.` before it leads to the copy itself, the newest where two overlap; `N.runtime.` to replica N; the token of the
    launch to its first replica. Where the edge has no part (plain TCP), the service's name leads to the newest copy: to an
    address that stays, where the room leads new connections on from there.
    """
    found: dict[str, tuple[str, int]] = {}
    if record.weight is not None and _through_edge(record):
        host, _, port = edge.rpartition(":")
        address = stable(record)
        found[record.host_name] = (address, _port(record)) if address else (host, int(port))
    newest_last = sorted((h for h in record.held.values() if h.attached), key=lambda h: (h.order, -h.spec.replica))
    for held in newest_last:
        leads = (_place(held), held.port)
        side = f"{held.spec.runtime}.{held.spec.host_name}"
        found.update({side: leads, held.spec.token: leads, f"{held.spec.replica}.{side}": leads})
    if newest := _direct(record):
        found[newest.spec.host_name] = (_place(newest), newest.port)
    if place := led(record):
        found[record.host_name] = (_stable_for(record, place[0]), place[1])
    return found


def led(record: Record) -> tuple[str, int] | None:
    """Where the room leads new connections to the service's own address of the same family; None where the edge takes them."""
    copy = _direct(record)
    if copy is None or not copy.spec.own or not _stable_for(record, _place(copy)):
        return None
    return _place(copy), copy.port


def _stable_for(record: Record, place: str) -> str:
    return record.address if ":" in place else record.address4


def _direct(record: Record) -> Held | None:
    """The copy that new connections of plain TCP go to: v2's once it has the full weight, else legacy's; of one side the newest.

    A part of the connections cannot be led elsewhere: below the full weight v2 has none of them. A side without copies has
    none either.
    """
    copies = [h for h in record.held.values() if h.spec.direct and h.led]
    meant = RuntimeName.V2 if record.weight == ALL else RuntimeName.LEGACY
    side = [h for h in copies if h.spec.runtime is meant] if record.weight is not None else []
    return max(side or copies, key=lambda h: (h.order, -h.spec.replica), default=None)


def _port(record: Record) -> int:
    """What a program is told that asks for a port too: that of the newest copy."""
    copies = sorted(record.held.values(), key=lambda h: h.order)
    return (copies[-1].port or copies[-1].spec.port) if copies else HTTP


def complete(spec: InstanceSpec, places: Mapping[str, str]) -> InstanceSpec:
    """The spec with the environment that every process gets; what we give stands above what its owner wrote."""
    given = {"PORT": str(spec.port), "HOST": LOOPBACK, "ROLLOUT_INSTANCE": spec.id, **places}
    if spec.network:
        given |= {"HOST": "::", "ROLLOUT_DNS": f"[{spec.dns[0]}]:{DNS_PORT}"}
        given.pop("ROLLOUT_EDGE", None)  # the names of other services lead through it
    return replace(spec, env={**spec.env, **given})
