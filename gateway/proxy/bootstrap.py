"""Envoy's whole configuration out of the gateway's settings: envoy.yaml filled in."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from jinja2 import Environment, StrictUndefined, Template

from gateway.proxy import modules
from gateway.proxy.admin import Endpoint
from gateway.proxy.sockets import Sockets
from gateway.settings import GatewaySettings
from gateway.tracing.settings import TracingSettings
from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, SERVICES

Json = dict[str, Any]
Limits = Mapping[str, str | int]

TEMPLATE = Path(__file__).with_name("envoy.yaml")

NO_MODULES = {"clock": None, "shares": None, "affinity": None}

GRPC_PREFIX_BYTES = 5
"""A gRPC message is preceded by a flag and its length."""

RETRY_SECONDS = 1
"""How long a refused caller should wait: about as long as one request takes."""

_IP_ADDRESSES = (r"[0-9]{1,3}(\.[0-9]{1,3}){3}", r"\[[0-9a-f:.]+\]")
_FULL = "the gateway has as many requests in flight as it may"
_OUT_OF_MEMORY = "the gateway is out of memory for further requests"
_SHARE = "this caller has as much at the gateway as one may"

# That of libyaml, which PyYAML has on most machines, reads in a tenth of the time.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LIMIT = re.compile(r"\$\{(\w+):([^}]*)\}")


def document(
    settings: GatewaySettings, sockets: Sockets, limits: Limits | None = None, tracing: TracingSettings | None = None
) -> Json:
    """Return an envoy.config.bootstrap.v3.Bootstrap as plain values, without our modules.

    `limits` replace values that envoy.yaml has itself. Raises OSError if the host's name has no address, KeyError for a
    limit that is not there.
    """
    return _fill({**_values(settings, sockets), "tracing": tracing, **NO_MODULES}, limits)[0]


def write(
    settings: GatewaySettings, sockets: Sockets, limits: Limits | None = None, tracing: TracingSettings | None = None
) -> None:
    """Write all files that Envoy starts with into the folder of `sockets`."""
    clock = None if settings.server_tls() else modules.place_clock(sockets)
    shares = modules.place_shares(sockets) if settings.max_caller_share < 1 else None
    values = _values(settings, sockets)
    has_choice = any(backend["has_several"] for backend in values["backends"])
    affinity = modules.place_affinity(sockets) if has_choice else None
    values |= {"tracing": tracing, "clock": clock, "shares": shares, "affinity": affinity}
    bootstrap, secrets = _fill(values, limits)
    sockets.bootstrap.write_text(json.dumps(bootstrap, indent=2))
    for name, secret in secrets.items():
        sockets.secret(name).write_text(json.dumps(secret, indent=2))


def _fill(values: Json, limits: Limits | None) -> tuple[Json, Json]:
    """Return the bootstrap, and by the secrets' names the files that say where certificates are."""
    if unknown := (limits or {}).keys() - default_limits().keys():
        raise KeyError(f"{TEMPLATE.name} has no place for {', '.join(sorted(unknown))}")
    text = _template().render({**default_limits(), **(limits or {}), **values})
    found: Json = yaml.load(text, _LOADER)  # noqa: S506  both are safe
    del found["shared"]
    return found, found.pop("secrets") or {}


@cache
def default_limits() -> Mapping[str, str]:
    """Return the limits that envoy.yaml itself has, by name."""
    return dict(_LIMIT.findall(TEMPLATE.read_text()))


@cache
def _template() -> Template:
    environment = Environment(  # noqa: S701  it makes YAML
        variable_start_string="${", variable_end_string="}", line_statement_prefix="%%", undefined=StrictUndefined
    )
    return environment.from_string(_LIMIT.sub(r"${\1}", TEMPLATE.read_text()))


def address_of(host: str) -> str:
    """Return the IP address to bind to: `host`, or what its name stands for, IPv4 if there is such. Raises OSError."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return str(min(found, key=lambda info: info[0] != socket.AF_INET)[4][0])


def _values(settings: GatewaySettings, sockets: Sockets) -> Json:
    server, backends = settings.server_tls(), settings.backend_tls()
    identities = {"server": server and server.identity, "gateway": backends and backends.identity}
    authorities = {"clients": server and server.client_ca, "backends": backends and backends.ca}
    return {
        **{name: getattr(settings, name) for name in ("port", "http_port", "max_connections", "max_in_flight")},
        "max_caller_share": settings.max_caller_share,
        "folder": sockets.folder,
        "host": address_of(settings.host),
        "probe_port": settings.probe_port or 0,
        "has_probe_port": settings.probe_port is not None,
        "is_open": settings.api_keys_file is None,
        "max_message_bytes": MAX_MESSAGE_BYTES,
        "max_request_bytes": MAX_MESSAGE_BYTES + GRPC_PREFIX_BYTES,
        "own_names": _own_names(settings.http_hosts),
        "origins": "|".join(map(re.escape, settings.browser_origins)),
        "full": _FULL,
        "full_details": _details(_FULL),
        "out_of_memory": _OUT_OF_MEMORY,
        "out_of_memory_details": _details(_OUT_OF_MEMORY),
        "share_details": _details(_SHARE),
        "backends": [
            {**_backend(SEQUENTIAL, settings.ar_targets), "has_prompts": settings.prefix_cache},
            {**_backend(PARALLEL, settings.gan_targets), "has_prompts": False},
        ],
        "is_certified": server is not None,
        "is_mutual": server is not None and server.client_ca is not None,
        "backend_tls": backends,
        "identities": {name: identity for name, identity in identities.items() if identity},
        "authorities": {name: file for name, file in authorities.items() if file},
    }


def _backend(paradigm: str, targets: Sequence[str]) -> Json:
    """Return what there is to know of a paradigm: its methods' paths as a regular expression, its replicas."""
    service, endpoints = SERVICES[paradigm], [Endpoint.parse(target) for target in targets]
    is_static = all(endpoint.is_address for endpoint in endpoints)
    return {
        "paradigm": paradigm,
        "service": service.full_name,
        "methods": f"/{re.escape(service.full_name)}/({'|'.join(method.name for method in service.methods)})",
        "endpoints": endpoints,
        "is_static": is_static,
        "has_several": len(endpoints) > 1 or not is_static,
    }


def _own_names(hosts: Sequence[str]) -> str:
    """Return a regular expression of the Host headers that HTTP is served under."""
    return rf"(?i)({'|'.join(('localhost', *_IP_ADDRESSES, *map(re.escape, hosts)))})(:[0-9]+)?"


def _details(message: str) -> str:
    """Return the refusal as a google.rpc.Status in base64, whose RetryInfo says when to try again."""
    retry = any_pb2.Any()
    retry.Pack(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=RETRY_SECONDS)))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=message, details=[retry])
    return base64.b64encode(status.SerializeToString()).decode("ascii").rstrip("=")
