"""Where Envoy listens: the public port, by host name, and one port in every room, by the address that was asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from rollout.edge.clusters import ALL, EXTENSIONS, Json, seconds
from rollout.edge.settings import EdgeSettings
from rollout.host.rooms import Room

ROOM_PORT = 10_000
"""In every room: whatever is asked of a service's address is led here by the room's own rules."""
TRIES_HEADER = "x-rollout-tries"
"""Names the clusters of a room from edge.lua to the route; no copy sees it and no client may send it."""
ALWAYS_SAFE = "connect-failure,refused-stream,reset-before-request"
"""A second try after these cannot do anything twice: the first copy has not seen the request."""
SAFE_FOR_READS = ALWAYS_SAFE + ",gateway-error,5xx,reset"
"""For GET, HEAD and OPTIONS, which may be asked twice."""
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
    """Where the edge's files are. All absolute; the folders exist before Envoy starts."""

    routes: Path
    trips: Path
    addresses: Path
    rooms: Path
    log: Path
    admin: Path


def public(port: int, places: Places, settings: EdgeSettings) -> Json:
    """The listener on the host's own network. A request's host name says which service is meant."""
    address: Json = {"address": settings.listen, "port_value": port}
    return _listener("edge", address, _http(places, settings))


def private(room: Room, places: Places, settings: EdgeSettings) -> Json:
    """The listener in a room. The address that was asked, at any port, says which service is meant; host names pass as they are.

    Named by the room's path: a room that was made again is another one, and the listener of the old one ends.
    """
    address: Json = {"address": "::", "port_value": ROOM_PORT, "network_namespace_filepath": room.path}
    found = _listener(listener_name(room), address, _http(places, settings, room.environment))
    kind = {"@type": EXTENSIONS + "filters.listener.original_dst.v3.OriginalDst"}
    found["listener_filters"] = [_typed("envoy.filters.listener.original_dst", kind)]
    return found


def listener_name(room: Room) -> str:
    """What Envoy calls the listener in a room."""
    return f"{room.environment}:{room.path}"


def _listener(name: str, address: Json, http: Json) -> Json:
    return {
        "name": name,
        "address": {"socket_address": address},
        "per_connection_buffer_limit_bytes": 1 << 20,
        "filter_chains": [{"filters": [_typed("http", http)]}],
    }


def _http(places: Places, settings: EdgeSettings, room: str = "") -> Json:
    """HTTP/1.1 and h2c from clients, WebSocket upgrades, no time limit on a request: that belongs to the services.

    Requests pass as they came: no path is normalised, no header renamed, a client's X-Request-Id stays.
    """
    return {
        "@type": EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "route_config": {"name": "edge", "virtual_hosts": [_every_service(settings)]},
        "http_filters": [_typed("lua", _lua(places, settings, room)), _typed("router", _router())],
        "access_log": [_typed("file", _log(places))],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"max_concurrent_streams": 1000},
        "stream_idle_timeout": "0s",
        "request_headers_timeout": seconds(settings.headers_s),
        "max_request_headers_kb": settings.header_kb,
        "common_http_protocol_options": {
            "idle_timeout": seconds(settings.client_idle_s),
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
    """Copies on the host's own network by the clusters that are always there; those in a room by the ones that edge.lua names."""
    in_a_room = {"prefix": "/", "headers": [{"name": TRIES_HEADER, "present_match": True}]}
    return {
        "name": "every-service",
        "domains": ["*"],
        "routes": [
            {
                "match": in_a_room,
                "route": _route({"cluster_header": TRIES_HEADER}, settings),
                "request_headers_to_remove": [TRIES_HEADER],
            },
            {"match": {"prefix": "/"}, "route": _route({"cluster": ALL}, settings)},
        ],
        "include_attempt_count_in_response": True,
    }


def _route(clusters: Json, settings: EdgeSettings) -> Json:
    route: Json = {**clusters, "timeout": "0s"}
    if settings.retries:
        route["retry_policy"] = {"retry_on": ALWAYS_SAFE, "num_retries": 1}
    return route


@cache
def _source() -> str:
    """edge.lua, the same for all rooms of a process."""
    return files("rollout.edge").joinpath("edge.lua").read_text(encoding="utf-8")


def _lua(places: Places, settings: EdgeSettings, room: str) -> Json:
    source = _source()
    values = {
        "@ROUTES@": f"{places.routes}/",
        "@TRIPS@": f"{places.trips}/",
        "@ROOM@": room,
        "@ADDRESSES@": f"{places.addresses}/",
        "@TRIES@": TRIES_HEADER,
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


def _typed(name: str, config: Mapping[str, object]) -> Json:
    return {"name": name, "typed_config": config}
