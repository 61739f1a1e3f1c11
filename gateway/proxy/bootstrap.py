"""Envoy's whole configuration out of the gateway's settings."""

from __future__ import annotations

import ipaddress
import json
import socket

from gateway.proxy.clusters import backend_cluster, own_clusters
from gateway.proxy.document import Json, extension
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.limits import Limits
from gateway.proxy.listeners import Doors
from gateway.proxy.sockets import Sockets
from gateway.proxy.tls import secrets
from gateway.settings import GatewaySettings
from runtime.routes import PARALLEL, SEQUENTIAL


def document(
    settings: GatewaySettings, sockets: Sockets, limits: Limits | None = None, resolver: Endpoint | None = None
) -> Json:
    """Return an envoy.config.bootstrap.v3.Bootstrap as plain values.

    `resolver` stands in for the machine's own DNS servers. Raises OSError if the host's name has no address.
    """
    limits = limits or Limits()
    targets = {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}
    tls, backend_tls = settings.server_tls(), settings.backend_tls()
    doors = Doors(sockets, limits, tls, settings.api_keys_file is not None, [each for each in targets if targets[each]])
    host = address_of(settings.host)
    listeners = [doors.grpc(host, settings.port), doors.http(host, settings.http_port), doors.internal()]
    backends = [
        backend_cluster(paradigm, addresses, backend_tls, settings.max_in_flight, sockets, limits, resolver)
        for paradigm, addresses in targets.items()
        if addresses
    ]
    return {
        "node": {"id": "tandem-gateway", "cluster": "tandem"},
        "admin": {"address": {"pipe": {"path": str(sockets.admin)}}, "ignore_global_conn_limit": True},
        "static_resources": {"listeners": listeners, "clusters": [*backends, *own_clusters(sockets, limits)]},
        "layered_runtime": _runtime(limits),
        "overload_manager": _overload(settings.max_connections, limits),
    }


def write(
    settings: GatewaySettings, sockets: Sockets, limits: Limits | None = None, resolver: Endpoint | None = None
) -> None:
    """Write all files that Envoy starts with into the folder of `sockets`."""
    sockets.bootstrap.write_text(json.dumps(document(settings, sockets, limits, resolver), indent=2))
    for name, secret in secrets(settings.server_tls(), settings.backend_tls(), sockets).items():
        sockets.secret(name).write_text(json.dumps(secret, indent=2))


def address_of(host: str) -> str:
    """Return the IP address to bind to: `host`, or what its name stands for, IPv4 if there is such. Raises OSError."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])


def _runtime(limits: Limits) -> Json:
    """What Envoy takes from nowhere else."""
    values = {"overload.premature_reset_total_stream_count": limits.early_resets}
    return {"layers": [{"name": "fixed", "static_layer": values}]}


def _overload(max_connections: int, limits: Limits) -> Json:
    """Bounds over everything: connections of the public ports, and memory."""
    monitors = "extensions.resource_monitors"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            extension(
                connections,
                f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=max_connections,
            ),
            extension(heap, f"{monitors}.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=limits.heap),
        ],
        "actions": [
            _action("envoy.overload_actions.shrink_heap", heap, 0.9),
            _action("envoy.overload_actions.stop_accepting_requests", heap, 0.95),
        ],
    }


def _action(name: str, monitor: str, threshold: float) -> Json:
    return {"name": name, "triggers": [{"name": monitor, "threshold": {"value": threshold}}]}
