"""Envoy's own configuration. It never changes while Envoy runs: what changes is one small file per service (routes.py), and
where there are rooms, the two files that tell of them (rooms.py)."""

from collections.abc import Sequence
from pathlib import Path

from rollout.edge.clusters import EXTENSIONS, Json, clusters
from rollout.edge.listeners import Places, public
from rollout.edge.settings import EdgeSettings

LISTENERS, CLUSTERS = "listeners.json", "clusters.json"
OF_ROOMS = r"cluster\.[^.]*@.*"
"""Envoy's own figures of the rooms' clusters: nobody reads them, but each of hundreds costs memory and every look time."""
DRAIN_S = 10
"""So long connections of a room that is gone are kept, and with them its namespace."""


def bootstrap(port: int, places: Places, settings: EdgeSettings, *, rooms: bool = False) -> Json:
    """The whole bootstrap for Envoy listening on `port` (0: one that the system chooses). With `rooms` it follows their files."""
    found: Json = {
        "admin": {"address": {"pipe": {"path": str(places.admin), "mode": 0o600}}},
        "static_resources": {
            "listeners": [public(port, places, settings)],
            "clusters": clusters(settings),
        },
        "overload_manager": {"resource_monitors": [_connection_limit(settings)]},
    }
    if rooms:
        found["node"] = {"id": "edge", "cluster": "edge"}  # Envoy wants one, whoever reads the files
        found["dynamic_resources"] = {
            "lds_config": _followed(places.rooms / LISTENERS),
            "cds_config": _followed(places.rooms / CLUSTERS),
        }
        found["stats_config"] = {"stats_matcher": {"exclusion_list": {"patterns": [{"safe_regex": {"regex": OF_ROOMS}}]}}}
    return found


def _followed(path: Path) -> Json:
    """The file, read again whenever something was renamed in its folder."""
    source = {"path": str(path), "watched_directory": {"path": str(path.parent)}}
    return {"path_config_source": source, "resource_api_version": "V3", "initial_fetch_timeout": "1s"}


def _connection_limit(settings: EdgeSettings) -> Json:
    kind = EXTENSIONS + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": kind, "max_active_downstream_connections": settings.connections},
    }


def arguments(binary: Path, config: Path, workers: int) -> Sequence[str]:
    """argv of an Envoy that shares nothing with another one on this machine and shows its log lines within 50 ms."""
    return (
        str(binary),
        *("-c", str(config)),
        *("--concurrency", str(workers)),
        "--disable-hot-restart",
        *("--drain-time-s", str(DRAIN_S)),
        *("--file-flush-interval-msec", "50"),
        *("--log-level", "warning"),
    )
