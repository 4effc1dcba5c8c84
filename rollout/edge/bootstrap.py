"""Envoy's own configuration. It never changes while Envoy runs: what changes is one small file per service (routes.py)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from rollout.edge.settings import EdgeSettings

Json = dict[str, object]

TYPES = "type.googleapis.com/envoy."
EXTENSIONS = TYPES + "extensions."
ALWAYS_SAFE = "connect-failure,refused-stream,reset-before-request"
"""A second try after these cannot do anything twice: the first copy has not seen the request."""
SAFE_FOR_READS = ALWAYS_SAFE + ",gateway-error,5xx,reset"
"""For GET, HEAD and OPTIONS, which may be asked twice."""
TRIES = ("first", "second", "third")
"""Each try has a cluster of its own. The third is for a copy that has just opened another port."""
LOG_FIELDS = (
    "%START_TIME(%s.%6f)%",
    "%DYNAMIC_METADATA(rollout:service)%",
    "%DYNAMIC_METADATA(rollout:side)%",
    "%DYNAMIC_METADATA(rollout:shed)%",
    "%RESPONSE_CODE%",
    "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "%DURATION%",
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "%RESPONSE_FLAGS%",
    "%UPSTREAM_HOST%",
    "%REQ(X-REQUEST-ID):128%",
)
"""One line per request, fields parted by tabs; the only one that a client writes stands last. samples.py reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the edge's files are. All absolute; folders of `routes` and `trips` exist before Envoy starts."""

    routes: Path
    trips: Path
    log: Path
    admin: Path


def bootstrap(port: int, places: Places, settings: EdgeSettings) -> Json:
    """The whole bootstrap for Envoy listening on `port` (0: one that the system chooses)."""
    return {
        "admin": {"address": {"pipe": {"path": str(places.admin), "mode": 0o600}}},
        "static_resources": {
            "listeners": [_listener(port, places, settings)],
            "clusters": [*(_copies(name, settings) for name in TRIES), _tries(settings)],
        },
        "overload_manager": {"resource_monitors": [_connection_limit(settings)]},
    }


def _listener(port: int, places: Places, settings: EdgeSettings) -> Json:
    return {
        "name": "edge",
        "address": {"socket_address": {"address": settings.listen, "port_value": port}},
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [{"filters": [_typed("http", _http(places, settings))]}],
    }


def _http(places: Places, settings: EdgeSettings) -> Json:
    """HTTP/1.1 and h2c from clients, WebSocket upgrades, no time limit on a request: that belongs to the services.

    Requests pass as they came: no path is normalised, no header renamed, a client's X-Request-Id stays.
    """
    return {
        "@type": EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "route_config": {"name": "edge", "virtual_hosts": [_every_service(settings)]},
        "http_filters": [_typed("lua", _lua(places, settings)), _typed("router", _router())],
        "access_log": [_typed("file", _log(places))],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"max_concurrent_streams": 1000},
        "stream_idle_timeout": "0s",
        "request_headers_timeout": _seconds(settings.headers_s),
        "max_request_headers_kb": settings.header_kb,
        "common_http_protocol_options": {
            "idle_timeout": _seconds(settings.client_idle_s),
            "max_headers_count": settings.headers,
        },
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "request_id_extension": _request_id(),
        "server_header_transformation": "PASS_THROUGH",
    }


def _request_id() -> Json:
    config = {"@type": EXTENSIONS + "request_id.uuid.v3.UuidRequestIdConfig", "pack_trace_reason": False}
    return {"typed_config": config}


def _every_service(settings: EdgeSettings) -> Json:
    route: Json = {"cluster": "tries", "timeout": "0s"}
    if settings.retries:
        route["retry_policy"] = {"retry_on": ALWAYS_SAFE, "num_retries": 1}
    return {
        "name": "every-service",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": route}],
        "include_attempt_count_in_response": True,
    }


def _lua(places: Places, settings: EdgeSettings) -> Json:
    source = files("rollout.edge").joinpath("edge.lua").read_text(encoding="utf-8")
    values = {
        "@ROUTES@": f"{places.routes}/",
        "@TRIPS@": f"{places.trips}/",
        "@REFUSED@": ALWAYS_SAFE,
        "@WIDE_RETRY@": SAFE_FOR_READS if settings.retries else "",
    }
    for name, value in values.items():
        source = source.replace(name, lua_string(value))
    return {"@type": EXTENSIONS + "filters.http.lua.v3.Lua", "default_source_code": {"inline_string": source}}


def lua_string(text: str) -> str:
    """A Lua literal for it: quotes and backslashes escaped as JSON does, all else as it is. ValueError for control characters."""
    if not text.isprintable():
        raise ValueError(f"control characters in {text!r}")
    return json.dumps(text, ensure_ascii=False)


def _router() -> Json:
    return {"@type": EXTENSIONS + "filters.http.router.v3.Router"}


def _log(places: Places) -> Json:
    return {
        "@type": EXTENSIONS + "access_loggers.file.v3.FileAccessLog",
        "path": str(places.log),
        "log_format": {"text_format_source": {"inline_string": "\t".join(LOG_FIELDS) + "\n"}},
    }


def _copies(which: str, settings: EdgeSettings) -> Json:
    """A cluster whose one copy per request is the address that edge.lua noted under `which`."""
    return {
        "name": which,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"metadata_key": {"key": "rollout", "path": [{"key": which}]}},
        "connect_timeout": _seconds(settings.connect_s),
        "cleanup_interval": "60s",
        "circuit_breakers": _unlimited(),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _seconds(settings.copy_idle_s)},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _tries(settings: EdgeSettings) -> Json:
    """Each try goes to its cluster. This one has limits of its own, or 3 retries at once are all."""
    kind = {
        "@type": EXTENSIONS + "clusters.composite.v3.ClusterConfig",
        "clusters": [{"name": name} for name in TRIES],
    }
    return {
        "name": "tries",
        "connect_timeout": _seconds(settings.connect_s),
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": kind},
        "circuit_breakers": _unlimited(),
    }


def _unlimited() -> Json:
    """Envoy's own limits (1,024 requests over all services together) would make one busy service hurt the others."""
    many = 100_000
    limits = {"max_connections": many, "max_pending_requests": many, "max_requests": many, "max_retries": many}
    return {"thresholds": [limits]}


def _connection_limit(settings: EdgeSettings) -> Json:
    kind = EXTENSIONS + "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {"@type": kind, "max_active_downstream_connections": settings.connections},
    }


def _typed(name: str, config: Mapping[str, object]) -> Json:
    return {"name": name, "typed_config": config}


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"


def arguments(binary: Path, config: Path, workers: int) -> Sequence[str]:
    """argv of an Envoy that shares nothing with another one on this machine and shows its log lines within 50 ms."""
    return (
        str(binary),
        *("-c", str(config)),
        *("--concurrency", str(workers)),
        "--disable-hot-restart",
        *("--file-flush-interval-msec", "50"),
        *("--log-level", "warning"),
    )
