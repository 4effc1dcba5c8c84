"""Before a deploy: whether a service can be deployed at all, and what its image stands for."""

from dataclasses import replace

from rollout.errors import UsageError
from rollout.host.images import ImageOrder
from rollout.model.fleet import CONTAINERS, EngineName, Kind, Release, RuntimeName, Service
from rollout.operations.replace import Live


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
