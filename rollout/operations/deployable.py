"""Before a deploy: whether a service can be deployed at all, and what its image stands for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollout.errors import UsageError
from rollout.host.images import ImageOrder
from rollout.model.fleet import CONTAINERS, EngineName, Kind, Release, RuntimeName, Service
from rollout.model.limits import memory_text
from rollout.operations.fleet import refuse_shared_volumes
from rollout.operations.replace import Live

_ONLY_IN_CONTAINERS = {
    "memory_mb": "a limit of memory",
    "cpus": "a limit of processors",
    "pids_max": "a limit of processes",
    "read_only": "a read-only root",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What copies share."""

    memory_mb: int
    cpus: int


def nothing_to_deploy(service: Service) -> str:
    """Why it cannot be deployed on any engine; empty where it can."""
    if service.kind is Kind.CRON:
        return "runs by the clock; that is not here yet"
    return "" if service.command or service.image else "neither a command nor an image"


def refuse_what_cannot_run(spec: Service) -> None:
    """UsageError for what no engine runs, or not the one it is for. In memory nothing runs, so that no port is in the way."""
    if why := nothing_to_deploy(spec):
        change = "--kind worker --unset cron" if spec.kind is Kind.CRON else "--command …"
        raise UsageError(f"{spec.id}: {why}", then=f"rollout service set {spec.id} {change}")
    if spec.engine is EngineName.MEMORY:
        return
    _refuse_what_is_not_kept(spec)
    refuse_shared_volumes(spec)
    if spec.port is not None and spec.replicas > 1:
        raise UsageError(
            f"{spec.id}: {spec.replicas} replicas cannot share the fixed port {spec.port} on one host",
            then=f"rollout service set {spec.id} --port env, or --replicas 1",
        )


def with_image(live: Live, release: Release, side: RuntimeName) -> Release:
    """The release with what its image stands for now, found out once: tags may move afterwards."""
    spec = release.spec
    if not spec.image or spec.engine is None or spec.engine not in CONTAINERS:
        return release
    order = ImageOrder(service=spec.id, reference=spec.image, engine=spec.engine, runtime=side)
    return replace(release, image=live.images.resolve_image(order))


def _refuse_what_is_not_kept(spec: Service) -> None:
    """UsageError where it is a plain process and asks for bounds that only a container has: one that is not kept is none."""
    asked = [field for field in _ONLY_IN_CONTAINERS if getattr(spec, field)] if spec.engine is EngineName.PROCESS else []
    if not asked:
        return
    kept = " and ".join(_ONLY_IN_CONTAINERS[field] for field in asked)
    way = f"{' '.join(f'--unset {field}' for field in asked)}, or --image NAME --engine containers"
    raise UsageError(
        f"{spec.id}: {' and '.join(asked)}: {kept} is kept in containers only, and it runs as a plain process",
        then=f"rollout service set {spec.id} {way}; then rollout service deploy {spec.id}",
    )


def doubts(spec: Service, machine: Machine) -> Iterator[str]:
    """What is asked for and can never be reached here; each a line for a person. It runs all the same."""
    if spec.memory_mb and spec.memory_mb > machine.memory_mb:
        yield f"its limit of memory, {memory_text(spec.memory_mb)}, is more than this machine has: {machine.memory_mb}m"
    if spec.cpus and spec.cpus > machine.cpus:
        yield f"its limit of {spec.cpus:g} processors is more than this machine has: {machine.cpus}"
