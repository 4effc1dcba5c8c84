"""Docker, by its Engine API from 1.41 on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rollout.host.joining import ALONE
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.model.volumes import Mount
from rollout.runtimes.engines.dialect import CPU_PERIOD_US, IPV6_ON, LOG_BYTES, MIB, NEEDLESS, Seen, search, state
from rollout.runtimes.engines.sandboxes import name_of

API = "1.41"
POLICIES = {RestartPolicy.ALWAYS: "always", RestartPolicy.ON_FAILURE: "on-failure", RestartPolicy.NEVER: "no"}


class Docker:
    """Fulfils `dialect.Dialect`."""

    name = EngineName.DOCKER
    ended = ("die", "exitCode")
    prefix = f"/v{API}"

    def body(self, spec: InstanceSpec, name: str, labels: Mapping[str, str]) -> Mapping[str, object]:
        """Its command, where there is one, stands in the place of all that the image would run."""
        own = {"Entrypoint": list(spec.argv), "Cmd": []} if spec.argv else {}
        return {
            "name": name,
            "Image": spec.image_id or spec.image,
            "Env": [f"{name}={value}" for name, value in spec.env.items()],
            "Labels": dict(labels),
            **own,
            **({"WorkingDir": spec.directory} if spec.directory else {}),
            **({"StopSignal": spec.stop_signal} if spec.stop_signal else {}),
            "HostConfig": {**self._host(spec), **_network(spec, name)},
        }

    @staticmethod
    def _host(spec: InstanceSpec) -> dict[str, object]:
        policy = RestartPolicy.NEVER if spec.restart is RestartPolicy.ON_FAILURE and not spec.restart_max else spec.restart
        tries = {"MaximumRetryCount": spec.restart_max} if policy is RestartPolicy.ON_FAILURE else {}
        memory = {"Memory": spec.memory_mb * MIB, "MemorySwap": spec.memory_mb * MIB} if spec.memory_mb else {}
        cpus = {"CpuPeriod": CPU_PERIOD_US, "CpuQuota": int(spec.cpus * CPU_PERIOD_US)} if spec.cpus else {}
        return {
            "CapDrop": list(NEEDLESS),
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": spec.pids_max,
            "ReadonlyRootfs": spec.read_only,
            "RestartPolicy": {"Name": POLICIES[policy], **tries},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": str(LOG_BYTES), "max-file": "2"}},
            **memory,
            **cpus,
        }

    def resolver(self, _spec: InstanceSpec) -> str:
        """Docker writes it."""
        return ""

    def mounting(self, body: Mapping[str, Any], mounts: Sequence[Mount]) -> Mapping[str, object]:
        """Among what concerns its host."""
        told = [{"Type": "bind", "Source": one.source, "Target": one.target, "ReadOnly": one.read_only} for one in mounts]
        return {**body, "HostConfig": {**body["HostConfig"], "Mounts": told}}

    def seen(self, told: Mapping[str, Any]) -> Seen:
        """From `GET /containers/NAME/json`."""
        return state(told, restarts=int(told["RestartCount"]), labels=told["Config"].get("Labels"))

    def until(self, now: float) -> Mapping[str, str]:
        """It ends with what has happened by then."""
        return {"until": f"{now:.6f}"}

    def image_id(self, told: Mapping[str, Any]) -> str:
        """`sha256:…` of its configuration."""
        return str(told["Id"])

    def fetch(self, image: str) -> str:
        """From a registry."""
        return f"docker pull {image}"


def _network(spec: InstanceSpec, name: str) -> dict[str, object]:
    """Docker takes no namespace by its path: one that was made before is shared with the sandbox that holds it."""
    if not spec.network:
        return {"NetworkMode": "host"}
    if spec.network != ALONE:
        return {"NetworkMode": f"container:{name_of(name)}"}
    return {"NetworkMode": "none", "Sysctls": IPV6_ON, "Dns": list(spec.dns), "DnsSearch": search(spec)}
