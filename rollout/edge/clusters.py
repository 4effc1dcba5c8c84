"""Envoy's ways to the copies: those on the host's own network, and for every room one more set of the same inside it."""

from collections.abc import Sequence
from dataclasses import replace

from rollout.edge.settings import EdgeSettings
from rollout.host.rooms import Room

Json = dict[str, object]

TYPES = "type.googleapis.com/envoy."
EXTENSIONS = TYPES + "extensions."
TRIES = ("first", "second", "third")
"""Each try has a cluster of its own. The third is for a copy that has just opened another port."""
INSIDE_CONNECT_S = 3.5
"""TCP asks for a connection again after 1 s and after 3 s: where a packet is lost (a queue is full, of a program that accepts
slowly or of one of the two tunnels between the edge and a copy) nobody should notice. What nobody listens on refuses at once."""
ALL = "tries"
"""The cluster that hands each try to its own. In a room it is called `tries@ENVIRONMENT`."""


def clusters(settings: EdgeSettings, room: Room | None = None) -> Sequence[Json]:
    """The cluster of all tries and those of each; their connections begin in the room, if one is named."""
    suffix = f"@{room.environment}" if room else ""
    if room:
        settings = replace(settings, connect_s=max(settings.connect_s, INSIDE_CONNECT_S))
    each = [_copies(which, suffix, settings) for which in TRIES]
    if room:
        for one in each:
            one["upstream_bind_config"] = _inside(room)
    return [*each, _tries(suffix, settings)]


def seconds(number: float) -> str:
    """As Envoy writes a duration."""
    return f"{number:g}s"


def _copies(which: str, suffix: str, settings: EdgeSettings) -> Json:
    """A cluster whose one copy per request is the address that edge.lua noted under `which`."""
    return {
        "name": which + suffix,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": {"metadata_key": {"key": "rollout", "path": [{"key": which}]}},
        "connect_timeout": seconds(settings.connect_s),
        "cleanup_interval": "60s",
        "circuit_breakers": _unlimited(),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": EXTENSIONS + "upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": seconds(settings.copy_idle_s)},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _tries(suffix: str, settings: EdgeSettings) -> Json:
    """Each try goes to its cluster. This one has limits of its own, or 3 retries at once are all."""
    kind = {
        "@type": EXTENSIONS + "clusters.composite.v3.ClusterConfig",
        "clusters": [{"name": name + suffix} for name in TRIES],
    }
    return {
        "name": ALL + suffix,
        "connect_timeout": seconds(settings.connect_s),
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.composite", "typed_config": kind},
        "circuit_breakers": _unlimited(),
    }


def _inside(room: Room) -> Json:
    """Connections of both families are opened in the room: a copy that only has IPv4 is asked by its 100.64 address."""
    sources = [{"address": address, "port_value": 0, "network_namespace_filepath": room.path} for address in ("::", "0.0.0.0")]
    return {"source_address": sources[0], "extra_source_addresses": [{"address": sources[1]}]}


def _unlimited() -> Json:
    """Envoy's own limits (1,024 requests over all services together) would make one busy service hurt the others."""
    many = 100_000
    limits = {"max_connections": many, "max_pending_requests": many, "max_requests": many, "max_retries": many}
    return {"thresholds": [limits]}
