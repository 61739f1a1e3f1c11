"""TLS of Envoy's listeners and of its connections to backends. Certificates are named in files of their own; Envoy
reads them again whenever something is moved into the folder that it watches: see certificates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.proxy.document import Json, extension, seconds, typed
from gateway.proxy.endpoints import HOST_KEY, Endpoint
from gateway.proxy.limits import Limits
from gateway.proxy.sockets import Sockets
from runtime.tls import ChannelTls, Identity, ServerTls

SERVER, CLIENTS = "server", "clients"
GATEWAY, BACKENDS = "gateway", "backends"

_TLS = "extensions.transport_sockets.tls.v3"
_NAME = "envoy.transport_sockets.tls"


def downstream_socket(tls: ServerTls, protocols: Sequence[str], sockets: Sockets) -> Json:
    """Return the transport socket of a public listener; with a client CA it demands a certificate (mutual TLS)."""
    common: Json = {
        "alpn_protocols": list(protocols),
        "tls_certificate_sds_secret_configs": [_secret(SERVER, sockets)],
    }
    if tls.client_ca:
        common["validation_context_sds_secret_config"] = _secret(CLIENTS, sockets)
    return extension(
        _NAME,
        f"{_TLS}.DownstreamTlsContext",
        common_tls_context=common,
        require_client_certificate=tls.client_ca is not None,
    )


def upstream_matches(tls: ChannelTls, endpoints: Sequence[Endpoint], sockets: Sockets) -> list[Json]:
    """Return a transport socket for each host, which takes a certificate for that host and no other."""
    hosts = {endpoint.host: endpoint for endpoint in endpoints}
    return [
        {
            "name": host,
            "match": {HOST_KEY: host},
            "transport_socket": _upstream_socket(tls, endpoint, sockets),
        }
        for host, endpoint in hosts.items()
    ]


def _upstream_socket(tls: ChannelTls, endpoint: Endpoint, sockets: Sockets) -> Json:
    name = {
        "san_type": "IP_ADDRESS" if endpoint.is_address else "DNS",
        "matcher": {"exact": endpoint.host},
    }
    common: Json = {
        "alpn_protocols": ["h2"],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [name]},
            "validation_context_sds_secret_config": _secret(BACKENDS, sockets),
        },
    }
    if tls.identity:
        common["tls_certificate_sds_secret_configs"] = [_secret(GATEWAY, sockets)]
    sni = {} if endpoint.is_address else {"sni": endpoint.host}
    return extension(_NAME, f"{_TLS}.UpstreamTlsContext", common_tls_context=common, **sni)


def _secret(name: str, sockets: Sockets) -> Json:
    source = {"path": str(sockets.secret(name))}
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def secrets(server: ServerTls | None, backends: ChannelTls | None, sockets: Sockets) -> dict[str, Json]:
    """Return the files that say where certificates are, by the secrets' names; none without TLS.

    Each is an envoy.service.discovery.v3.DiscoveryResponse of one secret, for Envoy takes no more from a file. They
    have the names of the files with certificates and never what is in them.
    """
    found: dict[str, Json] = {}
    if server:
        found[SERVER] = _identity(server.identity, sockets)
    if server and server.client_ca:
        found[CLIENTS] = _authority(server.client_ca, sockets)
    if backends:
        found[BACKENDS] = _authority(backends.ca, sockets)
    if backends and backends.identity:
        found[GATEWAY] = _identity(backends.identity, sockets)
    return {name: {"resources": [typed(f"{_TLS}.Secret", name=name, **secret)]} for name, secret in found.items()}


def _identity(identity: Identity, sockets: Sockets) -> Json:
    certificate = {
        "certificate_chain": {"filename": str(identity.cert.absolute())},
        "private_key": {"filename": str(identity.key.absolute())},
        "watched_directory": {"path": str(sockets.reload)},
    }
    return {"tls_certificate": certificate}


def _authority(ca: Path, sockets: Sockets) -> Json:
    context = {
        "trusted_ca": {"filename": str(ca.absolute())},
        "watched_directory": {"path": str(sockets.reload)},
    }
    return {"validation_context": context}


def handshake_limit(limits: Limits) -> Json:
    """Return the filter chain's bound on the time of a handshake."""
    return {"transport_socket_connect_timeout": seconds(limits.handshake)}
