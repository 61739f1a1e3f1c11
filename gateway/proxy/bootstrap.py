"""Envoy's whole configuration out of the gateway's settings: envoy.yaml filled in, with the replicas and TLS added."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.proxy import modules
from gateway.proxy.endpoints import Endpoint
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json, Values, fill
from gateway.proxy.tls import downstream_sockets, secrets, upstream_sockets
from gateway.proxy.tracing import trace
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES

TEMPLATE = Path(__file__).with_name("envoy.yaml")

GRPC_PREFIX_BYTES = 5
"""A gRPC message is preceded by a flag and its length."""

RETRY_SECONDS = 1
"""How long a refused caller should wait: about as long as one request takes."""

_IP_ADDRESSES = (r"[0-9]{1,3}(\.[0-9]{1,3}){3}", r"\[[0-9a-f:.]+\]")
_FULL = "the gateway has as many requests in flight as it may"
_OUT_OF_MEMORY = "the gateway is out of memory for further requests"
_SHARE = "this caller has as much at the gateway as one may"


def document(
    settings: GatewaySettings,
    sockets: Sockets,
    limits: Values | None = None,
    tracing: TracingSettings | None = None,
    clock: Path | None = None,
    shares: Path | None = None,
) -> Json:
    """Return an envoy.config.bootstrap.v3.Bootstrap as plain values.

    `limits` replace values that envoy.yaml has itself; `clock` and `shares` are modules, see
    there. Raises OSError if the host's name has no address.
    """
    found = fill(TEMPLATE, {**_values(settings, sockets), **(limits or {})})
    shared = found.pop("shared")
    if settings.probe_port is not None:
        found["static_resources"]["listeners"].append(shared["probes"])
    for paradigm, targets in {SEQUENTIAL: settings.ar_targets, PARALLEL: settings.gan_targets}.items():
        if targets:
            found["static_resources"]["clusters"].append(_cluster(paradigm, targets, shared, settings, sockets))
        else:
            _close(paradigm, shared)
    if tracing is not None:
        trace(found, shared, tracing)
    if clock is not None:
        modules.add_clock(found, tuple(SERVICES), clock, sockets)
    if shares is not None:
        modules.add_shares(found, settings, shares)
    if tls := settings.server_tls():
        for listener, transport_socket in downstream_sockets(tls, sockets).items():
            [public] = [one for one in found["static_resources"]["listeners"] if one["name"] == listener]
            public["filter_chains"][0] |= {**shared["tls"], "transport_socket": transport_socket}
    return found


def write(
    settings: GatewaySettings,
    sockets: Sockets,
    limits: Values | None = None,
    tracing: TracingSettings | None = None,
) -> None:
    """Write all files that Envoy starts with into the folder of `sockets`."""
    clock = None if settings.server_tls() else modules.place_clock(sockets)
    shares = modules.place_shares(sockets) if settings.max_caller_share < 1 else None
    found = document(settings, sockets, limits, tracing, clock, shares)
    sockets.bootstrap.write_text(json.dumps(found, indent=2))
    for name, secret in secrets(settings.server_tls(), settings.backend_tls(), sockets).items():
        sockets.secret(name).write_text(json.dumps(secret, indent=2))


def address_of(host: str) -> str:
    """Return the IP address to bind to: `host`, or what its name stands for, IPv4 if there is such. Raises OSError."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(min(found, key=lambda info: info[0] != socket.AF_INET)[4][0])


def _values(settings: GatewaySettings, sockets: Sockets) -> Values:
    host, is_open = address_of(settings.host), settings.api_keys_file is None
    return {
        "folder": str(sockets.folder),
        "host": host,
        "is_any_ipv6": host == "::",
        "port": settings.port,
        "http_port": settings.http_port,
        "probe_port": settings.probe_port or 0,
        "max_connections": settings.max_connections,
        "max_in_flight": settings.max_in_flight,
        "is_open": is_open,
        "max_message_bytes": MAX_MESSAGE_BYTES,
        "max_request_bytes": MAX_MESSAGE_BYTES + GRPC_PREFIX_BYTES,
        "own_names": _own_names(settings.http_hosts),
        "full": _FULL,
        "full_details": _details(_FULL),
        "out_of_memory": _OUT_OF_MEMORY,
        "out_of_memory_details": _details(_OUT_OF_MEMORY),
        "share_details": _details(_SHARE),
        **{f"{paradigm}_methods": _methods(paradigm) for paradigm in SERVICES},
    }


def _methods(paradigm: str) -> str:
    """Return the paths of a paradigm's methods as a regular expression."""
    service = SERVICES[paradigm]
    return f"/{re.escape(service.full_name)}/({'|'.join(method.name for method in service.methods)})"


def _own_names(hosts: Sequence[str]) -> str:
    """Return a regular expression of the Host headers that HTTP is served under."""
    return rf"(?i)({'|'.join(('localhost', *_IP_ADDRESSES, *map(re.escape, hosts)))})(:[0-9]+)?"


def _details(message: str) -> str:
    """Return the refusal as a google.rpc.Status in base64, whose RetryInfo says when to try again."""
    retry = any_pb2.Any()
    retry.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_SECONDS)))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=message, details=[retry])
    return base64.b64encode(status.SerializeToString()).decode("ascii").rstrip("=")


def _cluster(paradigm: str, targets: Sequence[str], shared: Json, settings: GatewaySettings, sockets: Sockets) -> Json:
    """Return the cluster of one paradigm's replicas."""
    endpoints = [Endpoint.parse(target) for target in targets]
    discovery = {"type": "STATIC"} if all(endpoint.is_address for endpoint in endpoints) else shared["names"]
    [check] = shared["backend"]["health_checks"]
    health = {"grpc_health_check": {"service_name": SERVICES[paradigm].full_name}}
    tls = settings.backend_tls()
    return {
        **shared["backend"],
        **discovery,
        "name": paradigm,
        "health_checks": [{**check, **health}],
        "load_assignment": {"cluster_name": paradigm, "endpoints": [_locality(endpoint) for endpoint in endpoints]},
        **({"transport_socket_matches": upstream_sockets(tls, endpoints, sockets)} if tls else {}),
    }


def _locality(endpoint: Endpoint) -> Json:
    """Return one target for a load assignment. The metadata leads to the TLS that checks this host's name."""
    address = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    metadata = {"filter_metadata": {"envoy.transport_socket_match": {"host": endpoint.host}}}
    return {"lb_endpoints": [{"endpoint": {"address": address}, "metadata": metadata}]}


def _close(paradigm: str, shared: Json) -> None:
    """Have the requests of a paradigm without replicas refused; all gRPC listeners share the routes."""
    [host] = shared["grpc_manager"]["route_config"]["virtual_hosts"]
    [route] = [candidate for candidate in host["routes"] if candidate.get("name") == paradigm]
    del route["route"]
    route["direct_response"] = {"status": 502, "body": {"inline_string": f"{paradigm} backend is not configured"}}
