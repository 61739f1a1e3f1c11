"""TLS of Envoy's listeners and of its connections to backends. Certificates are named in files of their own; Envoy
reads them again whenever something is moved into the folder that it watches: see certificates.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.proxy.endpoints import Endpoint
from gateway.proxy.sockets import Sockets
from gateway.proxy.template import Json
from runtime.tls import ChannelTls, Identity, ServerTls

_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


def downstream_sockets(tls: ServerTls, sockets: Sockets) -> dict[str, Json]:
    """Return the transport sockets of the public listeners; with a client CA they demand a certificate (mutual TLS)."""
    common: Json = {"tls_certificate_sds_secret_configs": [_reference("server", sockets)]}
    if tls.client_ca:
        common["validation_context_sds_secret_config"] = _reference("clients", sockets)
    return {
        listener: _socket(
            "DownstreamTlsContext",
            common_tls_context={**common, "alpn_protocols": protocols},
            require_client_certificate=tls.client_ca is not None,
        )
        for listener, protocols in {"grpc": ["h2"], "http": ["h2", "http/1.1"]}.items()
    }


def upstream_sockets(tls: ChannelTls, endpoints: Sequence[Endpoint], sockets: Sockets) -> list[Json]:
    """Return a transport socket for each host, which takes a certificate for that host and no other."""
    hosts = {endpoint.host: endpoint for endpoint in endpoints}
    return [
        {"name": host, "match": {"host": host}, "transport_socket": _upstream_socket(tls, endpoint, sockets)}
        for host, endpoint in hosts.items()
    ]


def _upstream_socket(tls: ChannelTls, endpoint: Endpoint, sockets: Sockets) -> Json:
    kind = "IP_ADDRESS" if endpoint.is_address else "DNS"
    name = {"san_type": kind, "matcher": {"exact": endpoint.host}}
    common: Json = {
        "alpn_protocols": ["h2"],
        "combined_validation_context": {
            "default_validation_context": {"match_typed_subject_alt_names": [name]},
            "validation_context_sds_secret_config": _reference("backends", sockets),
        },
    }
    if tls.identity:
        common["tls_certificate_sds_secret_configs"] = [_reference("gateway", sockets)]
    sni = {} if endpoint.is_address else {"sni": endpoint.host}
    return _socket("UpstreamTlsContext", common_tls_context=common, **sni)


def _socket(context: str, **fields: Any) -> Json:
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": f"{_TYPE}.{context}", **fields}}


def _reference(name: str, sockets: Sockets) -> Json:
    source = {"path": str(sockets.secret(name))}
    return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def secrets(server: ServerTls | None, backends: ChannelTls | None, sockets: Sockets) -> dict[str, Json]:
    """Return the files that say where certificates are, by the secrets' names; none without TLS.

    Each is an envoy.service.discovery.v3.DiscoveryResponse of one secret, for Envoy takes no more from a file. They
    have the names of the files with certificates and never what is in them.
    """
    identities = {"server": server and server.identity, "gateway": backends and backends.identity}
    authorities = {"clients": server and server.client_ca, "backends": backends and backends.ca}
    watched = {"watched_directory": {"path": str(sockets.reload)}}
    found: dict[str, Json] = {
        **{name: {"tls_certificate": {**_files_of(file), **watched}} for name, file in identities.items() if file},
        **{
            name: {"validation_context": {"trusted_ca": _file(file), **watched}}
            for name, file in authorities.items()
            if file
        },
    }
    return {
        name: {"resources": [{"@type": f"{_TYPE}.Secret", "name": name, **secret}]} for name, secret in found.items()
    }


def _files_of(identity: Identity) -> Json:
    return {"certificate_chain": _file(identity.cert), "private_key": _file(identity.key)}


def _file(path: Path) -> Json:
    return {"filename": str(path.absolute())}
