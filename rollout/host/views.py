"""What follows from a record: the route at the edge, the names, and what callers see. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from rollout.host.ledger import Held, Record
from rollout.host.ports import Attached, InstanceFacts, InstanceSpec, Phase, Route
from rollout.model.fleet import RuntimeName

LOOPBACK = "127.0.0.1"


def address(held: Held) -> str:
    """Where the instance listens or will: the port it was last attached on, else the one it was given."""
    return f"{LOOPBACK}:{held.port or held.spec.port}"


def addresses(held: Held) -> list[str]:
    """All addresses on which the edge may have asked it."""
    return [address(held), *([f"{LOOPBACK}:{held.spare}"] if held.spare else [])]


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
        spares={address(h): f"{LOOPBACK}:{h.spare}" for h in record.held.values() if h.attached and h.traffic and h.spare},
    )


def _through_edge(record: Record) -> bool:
    """Does traffic of the service pass the edge? Not that of a worker, and not plain TCP."""
    return not record.held or any(h.spec.serves and not h.spec.direct for h in record.held.values())


def _side(record: Record, runtime: RuntimeName) -> tuple[str, ...]:
    mates = [h for h in record.held.values() if h.spec.runtime is runtime and h.spec.serves and not h.spec.direct]
    held = [h for h in mates if h.attached and h.traffic]
    return tuple(address(h) for h in sorted(held, key=lambda h: (h.order, h.spec.replica)))


def order(record: Record, held: Held) -> int:
    """Its place among the launches of the service: that of its token, else the next."""
    mates = [h.order for h in record.held.values() if h.attached and h.spec.token == held.spec.token]
    return max(mates, default=1 + max((h.order for h in record.held.values()), default=0))


def names(record: Record, edge: str) -> dict[str, tuple[str, int]]:
    """Every name that should resolve. The service's own leads to the edge, so that a neighbour never notices a move.

    `runtime.` before it leads to the copy itself, the newest where two overlap; `N.runtime.` to replica N; the token of the
    launch to its first replica. Where the edge has no part (plain TCP), the service's name leads to the newest copy.
    """
    found: dict[str, tuple[str, int]] = {}
    if record.weight is not None and _through_edge(record):
        host, _, port = edge.rpartition(":")
        found[record.host_name] = (host, int(port))
    newest_last = sorted((h for h in record.held.values() if h.attached), key=lambda h: (h.order, -h.spec.replica))
    for held in newest_last:
        place = (LOOPBACK, held.port)
        side = f"{held.spec.runtime}.{held.spec.host_name}"
        found.update({side: place, held.spec.token: place, f"{held.spec.replica}.{side}": place})
        if held.spec.direct and held.traffic:
            found[held.spec.host_name] = place
    return found


def complete(spec: InstanceSpec, places: Mapping[str, str]) -> InstanceSpec:
    """The spec with the environment that every process gets; what we give stands above what its owner wrote."""
    given = {"PORT": str(spec.port), "HOST": LOOPBACK, "ROLLOUT_INSTANCE": spec.id, **places}
    return replace(spec, env={**spec.env, **given})
