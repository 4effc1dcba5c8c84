"""Docker, by its Engine API from 1.41 on."""

from collections.abc import Mapping
from typing import Any

from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.runtimes.engines.dialect import CPU_PERIOD_US, LOG_BYTES, MIB, Seen, state

API = "1.41"
POLICIES = {RestartPolicy.ALWAYS: "always", RestartPolicy.ON_FAILURE: "on-failure", RestartPolicy.NEVER: "no"}


class Docker:
    """Fulfils `dialect.Dialect`."""

    name = EngineName.DOCKER
    ended = ("die", "exitCode")
    prefix = f"/v{API}"

    def body(self, spec: InstanceSpec, labels: Mapping[str, str]) -> Mapping[str, object]:
        """Its command, where there is one, stands in the place of all that the image would run."""
        own = {"Entrypoint": list(spec.argv), "Cmd": []} if spec.argv else {}
        return {
            "Image": spec.image_id or spec.image,
            "Env": [f"{name}={value}" for name, value in spec.env.items()],
            "Labels": dict(labels),
            **own,
            **({"WorkingDir": spec.directory} if spec.directory else {}),
            "HostConfig": self._host(spec),
        }

    @staticmethod
    def _host(spec: InstanceSpec) -> dict[str, object]:
        policy = RestartPolicy.NEVER if spec.restart is RestartPolicy.ON_FAILURE and not spec.restart_max else spec.restart
        tries = {"MaximumRetryCount": spec.restart_max} if policy is RestartPolicy.ON_FAILURE else {}
        memory = {"Memory": spec.memory_mb * MIB, "MemorySwap": spec.memory_mb * MIB} if spec.memory_mb else {}
        cpus = {"CpuPeriod": CPU_PERIOD_US, "CpuQuota": int(spec.cpus * CPU_PERIOD_US)} if spec.cpus else {}
        return {
            "NetworkMode": "host",
            "SecurityOpt": ["no-new-privileges"],
            "PidsLimit": spec.pids_max,
            "ReadonlyRootfs": spec.read_only,
            "RestartPolicy": {"Name": POLICIES[policy], **tries},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": str(LOG_BYTES), "max-file": "2"}},
            **memory,
            **cpus,
        }

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
