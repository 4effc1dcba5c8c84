"""From an order to the instances that the host part keeps for it."""

import os

from rollout.errors import UsageError
from rollout.executor.ports import Order
from rollout.host.ports import PIDS_MAX, InstanceSpec
from rollout.model.fleet import CONTAINERS, EngineName, Kind, Service
from rollout.model.volumes import mount

SHELL = "/bin/sh"
WITHOUT_PORT = frozenset({Kind.WORKER, Kind.CRON})


def serves(spec: Service) -> bool:
    """It has a port that something leads to."""
    return spec.kind not in WITHOUT_PORT


def in_containers(spec: Service) -> bool:
    """An engine runs it from its image. A release names its engine; one that names none has a command for plain processes."""
    return spec.engine_of(EngineName.PROCESS) in CONTAINERS


def instances(order: Order) -> list[InstanceSpec]:
    """One spec for each replica, the same for the same order. UsageError where the release has nothing that could run.

    PORT, HOST, ROLLOUT_DNS, ROLLOUT_EDGE and ROLLOUT_RUNTIME are put into the environment by the host part, which knows them.
    """
    spec = order.release.spec
    argv = _argv(spec)
    return [
        InstanceSpec(
            token=order.token,
            replica=replica,
            service=order.service,
            host_name=spec.host_name,
            runtime=order.runtime,
            release=order.release.number,
            argv=argv,
            directory=spec.directory,
            env=spec.env,
            port_declared=spec.port,
            serves=serves(spec),
            direct=spec.kind is Kind.TCP,
            health_path=spec.health_path,
            restart=spec.restart,
            restart_max=spec.restart_max,
            grace_s=spec.draining_s,
            engine=spec.engine_of(EngineName.PROCESS) if in_containers(spec) else EngineName.PROCESS,
            image=(spec.image or "") if in_containers(spec) else "",
            image_digest=order.release.image.digest if in_containers(spec) and order.release.image else "",
            memory_mb=spec.memory_mb,
            cpus=spec.cpus,
            pids_max=spec.pids_max or PIDS_MAX,
            read_only=spec.read_only,
            volumes=spec.volumes if in_containers(spec) else (),
            stop_signal=spec.stop_signal or "",
        )
        for replica in range(order.replicas)
    ]


def _argv(spec: Service) -> tuple[str, ...]:
    if not spec.command and in_containers(spec) and spec.image:
        return ()
    if not spec.command:
        raise UsageError(
            f"{spec.id} has no command",
            then=f"rollout service set {spec.id} --command '…', then rollout service deploy {spec.id}",
        )
    if isinstance(spec.command, str):
        return (SHELL, "-c", spec.command)
    return tuple(spec.command)


def check_image(spec: Service) -> None:
    """UsageError where it is to run in a container and does not say of what, or mounts what cannot be mounted."""
    if not spec.image:
        then = f"rollout service set {spec.id} --image NAME, or --engine process; then rollout service deploy {spec.id}"
        raise UsageError(f"{spec.id} has no image for the engine {spec.engine}", then=then)
    for text in spec.volumes:
        try:
            wanted = mount(text, spec.name)
        except ValueError as error:
            then = f"rollout service set {spec.id} --volume NAME:/PATH, which takes the place of all it has"
            raise UsageError(f"{spec.id}: the volume {error}", then=f"{then}; then rollout service deploy {spec.id}") from error
        if not wanted.named and not os.path.exists(wanted.source):
            what = f"{spec.id}: {wanted.source}, which it mounts at {wanted.target}, is not on this host"
            raise UsageError(what, then=f"mkdir -p {wanted.source}; then rollout service deploy {spec.id}")
