"""From an order to the instances that the host part keeps for it."""

from rollout.errors import UsageError
from rollout.executor.ports import Order
from rollout.host.ports import PIDS_MAX, InstanceSpec
from rollout.model.fleet import CONTAINERS, EngineName, Kind, Service

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
    """UsageError where it is to run in a container and does not say of what, or needs what containers do not have yet."""
    if not spec.image:
        then = f"rollout service set {spec.id} --image NAME, or --engine process; then rollout service deploy {spec.id}"
        raise UsageError(f"{spec.id} has no image for the engine {spec.engine}", then=then)
    if spec.volumes:
        then = f"rollout service set {spec.id} --unset volumes, or --engine process; then rollout service deploy {spec.id}"
        raise UsageError(f"{spec.id}: containers have no volumes here yet", then=then)
