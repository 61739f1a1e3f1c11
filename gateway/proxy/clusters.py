"""Where requests go: the replicas of both paradigms, and the gateway's own servers behind their Unix sockets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.proxy.discovery import discovery
from gateway.proxy.document import Json, extension, percent, seconds, typed
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.limits import Limits
from gateway.proxy.retries import circuit_breakers
from gateway.proxy.sockets import Sockets
from gateway.proxy.tls import upstream_matches
from runtime.routes import SERVICES
from runtime.tls import ChannelTls

OBSERVER = "observer"
"""The access log and external authorisation: Envoy's own calls to the gateway."""
SELF = "self"
"""Health and reflection: the clients' calls to the gateway, at the same socket, counted apart."""
HTTP = "http"
"""Page, metrics and the RPCs as JSON."""

_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NO_BOUND = 1_000_000


def backend_cluster(
    paradigm: str,
    targets: Sequence[str],
    tls: ChannelTls | None,
    max_in_flight: int,
    sockets: Sockets,
    limits: Limits,
    resolver: Endpoint | None = None,
) -> Json:
    """Return the cluster of one paradigm's replicas; `resolver` stands in for the machine's own DNS servers."""
    endpoints = [Endpoint.parse(target) for target in targets]
    matches = {"transport_socket_matches": upstream_matches(tls, endpoints, sockets)} if tls else {}
    return {
        "name": paradigm,
        **discovery(endpoints, limits, resolver),
        "connect_timeout": seconds(limits.connect),
        "per_connection_buffer_limit_bytes": limits.connection_buffer,
        "load_balancing_policy": _least_request(),
        "common_lb_config": {
            # Otherwise Envoy sends requests to replicas that it knows to be dead when most of them are,
            "healthy_panic_threshold": percent(0),
            # and keeps what it learns of them to itself for a second.
            "update_merge_window": seconds(0),
        },
        "load_assignment": {"cluster_name": paradigm, "endpoints": [each.locality() for each in endpoints]},
        "health_checks": [_health_check(SERVICES[paradigm].full_name, limits)],
        # A replica that is gone from its name gets nothing more; what it has in hand goes on.
        "ignore_health_on_host_removal": True,
        "outlier_detection": _outlier_detection(limits),
        "circuit_breakers": circuit_breakers(max_in_flight, limits),
        "typed_extension_protocol_options": _http2(limits),
        **matches,
    }


def _least_request() -> Json:
    """All replicas are compared: two at random, as by default, may be the same one twice."""
    least = extension(
        "envoy.load_balancing_policies.least_request",
        "extensions.load_balancing_policies.least_request.v3.LeastRequest",
        selection_method="FULL_SCAN",
    )
    return {"policies": [{"typed_extension_config": least}]}


def _health_check(service: str, limits: Limits) -> Json:
    interval = seconds(limits.health_interval)
    return {
        "timeout": seconds(limits.health_timeout),
        "interval": interval,
        "no_traffic_interval": interval,
        "unhealthy_interval": interval,
        "unhealthy_threshold": limits.unhealthy_after,
        "healthy_threshold": 1,
        "grpc_health_check": {"service_name": service},
    }


def _outlier_detection(limits: Limits) -> Json:
    """Only what happens to connections counts: statuses do not, for a caller can provoke those as it likes."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": limits.eject_after,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": seconds(limits.eject),
        "base_ejection_time": seconds(limits.eject),
        "max_ejection_time": seconds(10 * limits.eject),
        # At least one replica is left to be asked; whether it is there its health check says.
        "max_ejection_percent": 50,
    }


def _http2(limits: Limits) -> Json:
    options = {
        "initial_stream_window_size": limits.stream_window,
        "initial_connection_window_size": limits.connection_window,
        "connection_keepalive": keepalive(limits),
    }
    return {
        _PROTOCOL_OPTIONS: typed(
            "extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config={"http2_protocol_options": options},
        )
    }


def keepalive(limits: Limits) -> Json:
    """Return how a silent peer is found, upstream and downstream."""
    return {"interval": seconds(limits.keepalive_interval), "timeout": seconds(limits.keepalive_timeout)}


def own_clusters(sockets: Sockets, limits: Limits) -> list[Json]:
    """Return the clusters of the gateway's own servers."""
    return [
        {**_at_socket(OBSERVER, sockets.observer, limits), "typed_extension_protocol_options": _http2(limits)},
        {**_at_socket(SELF, sockets.observer, limits), "typed_extension_protocol_options": _http2(limits)},
        _at_socket(HTTP, sockets.http, limits),
    ]


def _at_socket(name: str, path: Path, limits: Limits) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(path)}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": seconds(limits.connect),
        "per_connection_buffer_limit_bytes": limits.connection_buffer,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        # The gateway bounds these itself; its own probes and metrics must not be refused here.
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), _NO_BOUND)]
        },
    }
