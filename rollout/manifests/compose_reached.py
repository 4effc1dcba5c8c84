"""How a Compose service is reached: kind, port and health path, from its ports and its health check together."""

from rollout.manifests import compose_health, compose_ports
from rollout.manifests.compose_ports import HIGHEST, NOT_HTTP, TCP, Port
from rollout.manifests.compose_source import Reading
from rollout.manifests.problem import FileProblemError
from rollout.model.fleet import Kind

MOST_SHOWN = 6


def read(reading: Reading, kind: Kind | None) -> None:
    """Kind, port and health path are among the values; `kind` is the one that was given."""
    listens = _ports(reading)
    asked = _health(reading)
    chosen = next((port for port in listens if asked and port.number == asked.port), next(iter(listens), None))
    if asked and chosen and chosen.number != asked.port:
        reading.leave("healthcheck.test")
        asked = None
    if asked and not chosen:
        chosen = Port(asked.port)
        reading.note(f"port {asked.port} is that of its health check")
    numbers = sorted({port.number for port in listens})
    if len(numbers) > 1 and chosen:
        shown = [*map(str, numbers[:MOST_SHOWN]), *["…"] * (len(numbers) > MOST_SHOWN)]
        reading.note(f"port {chosen.number} of {', '.join(shown)}")
        reading.leave("ports.more")
    settled = kind or _kind(reading, chosen, by_http=asked is not None)
    reading.values["kind"] = settled
    if chosen and settled in {Kind.HTTP, Kind.TCP}:
        reading.values["port"] = chosen.number
    if asked and settled in {Kind.HTTP, Kind.CRON}:
        reading.values["health_path"] = asked.path
    elif asked:
        reading.leave("healthcheck.test")


def _ports(reading: Reading) -> list[Port]:
    key = "ports" if reading.has("ports") else "expose"
    listens = []
    for found in reading.each(key, compose_ports.ports, blank=True):
        for port in found:
            for rest in port.left_out:
                reading.leave(f"{key}.{rest}")
            if port.protocol == TCP:
                listens.append(port)
            else:
                reading.leave(f"{key}.{port.protocol}")
    return listens


def _health(reading: Reading) -> compose_health.Asked | None:
    """What the check asks for by HTTP, where it can be taken over."""
    check = reading.table("healthcheck")
    for key in check:
        if key != "test":
            reading.leave(f"healthcheck.{key}")
    if check.get("test") is None:
        return None
    try:
        asked = compose_health.asked(reading.source.filled(reading.place("healthcheck", "test")))
    except FileProblemError:
        asked = None  # a variable is not known: then neither is what it asks
    if asked is None or asked.port > HIGHEST or str(check.get("disable")).lower() == "true":
        reading.leave("healthcheck.test")
        return None
    return asked


def _kind(reading: Reading, port: Port | None, *, by_http: bool) -> Kind:
    """HTTP where the file says so or nothing speaks against it, TCP on a port that is known for something else."""
    if port is None:
        reading.note("a worker: no port, no health check by HTTP (--kind, or a mapping file, says otherwise)")
        return Kind.WORKER
    if by_http or (port.app_protocol or "").startswith(("http", "ws", "grpc")):
        return Kind.HTTP
    if port.number in NOT_HTTP or port.app_protocol:
        what = port.app_protocol or NOT_HTTP[port.number]
        reading.note(f"tcp: port {port.number} is that of {what} (--kind, or a mapping file, says otherwise)")
        return Kind.TCP
    return Kind.HTTP
