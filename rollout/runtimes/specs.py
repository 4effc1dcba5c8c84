"""From an order to the instances that the host part keeps for it."""

from rollout.errors import UsageError
from rollout.executor.ports import Order
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import Kind, Service

SHELL = "/bin/sh"
WITHOUT_PORT = frozenset({Kind.WORKER, Kind.CRON})


def serves(spec: Service) -> bool:
    """It has a port that something leads to."""
    return spec.kind not in WITHOUT_PORT


def instances(order: Order) -> list[InstanceSpec]:
    """One spec for each replica, the same for the same order. UsageError where the release has no command.

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
        )
        for replica in range(order.replicas)
    ]


def _argv(spec: Service) -> tuple[str, ...]:
    if not spec.command:
        raise UsageError(
            f"{spec.id} has no command",
            then=f"rollout service set {spec.id} --command '…', then rollout service deploy {spec.id}",
        )
    if isinstance(spec.command, str):
        return (SHELL, "-c", spec.command)
    return tuple(spec.command)
