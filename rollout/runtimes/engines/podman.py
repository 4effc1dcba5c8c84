"""Podman, by its libpod API from 4.0 on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rollout.host.joining import ALONE
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.model.limits import signal_number
from rollout.model.volumes import Mount
from rollout.runtimes.engines.dialect import CPU_PERIOD_US, LOG_BYTES, MIB, NEEDLESS, Seen, search, state

API = "4.0.0"
POLICIES = {RestartPolicy.ALWAYS: "always", RestartPolicy.ON_FAILURE: "on-failure", RestartPolicy.NEVER: "no"}

AS_DOCKER = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
"""Docker sets this by itself: programs that do not run as root may have any port, and ping."""


class Podman:
    """Fulfils `dialect.Dialect`."""

    name = EngineName.PODMAN
    ended = ("died", "containerExitCode")
    prefix = f"/v{API}/libpod"

    def body(self, spec: InstanceSpec, name: str, labels: Mapping[str, str]) -> Mapping[str, object]:
        """Its command, where there is one, stands in the place of all that the image would run."""
        policy = RestartPolicy.NEVER if spec.restart is RestartPolicy.ON_FAILURE and not spec.restart_max else spec.restart
        return {
            "name": name,
            "image": spec.image_id or spec.image,
            "env": dict(spec.env),
            "labels": dict(labels),
            **({"entrypoint": list(spec.argv), "command": []} if spec.argv else {}),
            **({"work_dir": spec.directory, "create_working_dir": True} if spec.directory else {}),
            **({"stop_signal": signal_number(spec.stop_signal)} if spec.stop_signal else {}),
            **_network(spec),
            "cap_drop": list(NEEDLESS),
            "no_new_privileges": True,
            "read_only_filesystem": spec.read_only,
            "restart_policy": POLICIES[policy],
            **({"restart_tries": spec.restart_max} if policy is RestartPolicy.ON_FAILURE else {}),
            "log_configuration": {"driver": "k8s-file", "size": LOG_BYTES},
            "resource_limits": self._limits(spec),
        }

    @staticmethod
    def _limits(spec: InstanceSpec) -> dict[str, object]:
        memory = {"memory": {"limit": spec.memory_mb * MIB, "swap": spec.memory_mb * MIB}} if spec.memory_mb else {}
        cpu = {"cpu": {"period": CPU_PERIOD_US, "quota": int(spec.cpus * CPU_PERIOD_US)}} if spec.cpus else {}
        return {"pids": {"limit": spec.pids_max}, **memory, **cpu}

    def resolver(self, spec: InstanceSpec) -> str:
        """Podman makes no resolv.conf for one that has no network yet."""
        names = "".join(f"nameserver {address}\n" for address in spec.dns)
        return f"search {' '.join(search(spec))}\n{names}" if spec.network == ALONE else ""

    def mounting(self, body: Mapping[str, object], mounts: Sequence[Mount]) -> Mapping[str, object]:
        """A list of their own."""
        return {**body, "mounts": [_mount(one) for one in mounts]}

    def seen(self, told: Mapping[str, Any]) -> Seen:
        """From `GET /containers/NAME/json`."""
        return state(told, restarts=int(told.get("RestartCount", 0)), labels=told["Config"].get("Labels"))

    def until(self, now: float) -> Mapping[str, str]:
        """It ends with what has happened. A time with a fraction would end it before everything (4.3)."""
        return {"stream": "false", "until": str(int(now) + 1)}

    def image_id(self, told: Mapping[str, Any]) -> str:
        """The hash of its configuration, as Docker writes it."""
        return f"sha256:{told['Id']}"

    def fetch(self, image: str) -> str:
        """From a registry, or from the Docker beside it."""
        return f"podman pull {image}, or where Docker has it: docker save {image} | podman load"


def _mount(one: Mount) -> dict[str, object]:
    mode = "ro" if one.read_only else "rw"
    return {"type": "bind", "source": one.source, "destination": one.target, "options": ["rbind", mode]}


def _network(spec: InstanceSpec) -> dict[str, object]:
    if not spec.network:
        return {"netns": {"nsmode": "host"}}
    if spec.network == ALONE:
        return {"netns": {"nsmode": "none"}, "sysctl": AS_DOCKER}
    return {"netns": {"nsmode": "path", "value": spec.network}, "dns_server": list(spec.dns), "dns_search": search(spec)}
