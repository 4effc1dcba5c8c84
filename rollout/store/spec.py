"""A service or release as the two JSON columns `spec` (all but env) and `env`, and back. Fast: a fleet has 100,000 of them."""

from collections.abc import Mapping
from typing import Any

from rollout.model.fleet import EngineName, Kind, RestartPolicy, Service, Tier


def to_spec(service: Service) -> dict[str, Any]:
    """All of a service but its env, as plain JSON values."""
    return {
        "name": service.name,
        "environment": service.environment,
        "customer": service.customer,
        "tier": service.tier.value,
        "kind": service.kind.value,
        "command": list(service.command) if isinstance(service.command, tuple) else service.command,
        "image": service.image,
        "directory": service.directory,
        "env_file": service.env_file,
        "port": service.port,
        "health_path": service.health_path,
        "health_timeout_s": service.health_timeout_s,
        "replicas": service.replicas,
        "volumes": list(service.volumes),
        "region": service.region,
        "restart": service.restart.value,
        "restart_max": service.restart_max,
        "draining_s": service.draining_s,
        "cron": service.cron,
        "labels": dict(service.labels),
        "engine": service.engine.value if service.engine else None,
        "memory_mb": service.memory_mb,
        "cpus": service.cpus,
        "pids_max": service.pids_max,
        "read_only": service.read_only,
        "stop_signal": service.stop_signal,
    }


def from_spec(spec: Mapping[str, Any], env: Mapping[str, str]) -> Service:
    """The inverse of `to_spec`."""
    command = spec["command"]
    return Service(
        **{
            **spec,
            "tier": Tier(spec["tier"]),
            "kind": Kind(spec["kind"]),
            "command": tuple(command) if isinstance(command, list) else command,
            "volumes": tuple(spec["volumes"]),
            "restart": RestartPolicy(spec["restart"]),
            "engine": EngineName(spec["engine"]) if spec["engine"] else None,
        },
        env=env,
    )


RELEASED = (
    *("kind", "command", "image", "directory", "env_file", "port", "engine", "volumes"),
    *("memory_mb", "cpus", "pids_max", "read_only", "stop_signal"),
)
HEALTH = ("health_path", "health_timeout_s")
FINGERPRINTED = (*RELEASED, *HEALTH)


def fingerprinted(spec: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """What unblocks a service when it changes: what its next release will be, and its health check."""
    return {**{key: spec[key] for key in FINGERPRINTED}, "env": env}
