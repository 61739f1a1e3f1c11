"""Where Envoy listens: the two public ports, and the socket of the gateway's own HTTP server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.proxy.access_log import access_log
from gateway.proxy.clusters import keepalive
from gateway.proxy.document import Json, extension, seconds
from gateway.proxy.filters import grpc_filters, http_filters
from gateway.proxy.headers import early_mutations
from gateway.proxy.limits import Limits
from gateway.proxy.local_replies import local_replies
from gateway.proxy.sockets import Sockets
from gateway.proxy.tls import downstream_socket, handshake_limit
from gateway.proxy.virtual_hosts import grpc_routes, http_routes
from runtime.tls import ServerTls

GRPC, HTTP, INTERNAL = "grpc", "http", "internal"


@dataclass(frozen=True)
class Doors:
    """What all listeners have in common; `configured` are the paradigms that have replicas."""

    sockets: Sockets
    limits: Limits
    tls: ServerTls | None
    with_keys: bool
    configured: Sequence[str]

    def grpc(self, host: str, port: int) -> Json:
        """Return the public listener of gRPC. Without keys the peer's address tells callers apart."""
        early = early_mutations("grpc", is_trusted=False, with_peer=not self.with_keys)
        manager = self._grpc_manager(GRPC, early, self.with_keys)
        # A drain is for these alone: probes, metrics and open calls of the HTTP port go on to the end.
        return {**self._public(GRPC, host, port, manager, ("h2",)), "traffic_direction": "INBOUND"}

    def http(self, host: str, port: int) -> Json:
        """Return the public listener of HTTP/1.1 and HTTP/2, all of which the gateway's HTTP server answers."""
        early = early_mutations(None, is_trusted=False, with_peer=True)
        manager = self._manager(HTTP, "AUTO", early, http_routes(), http_filters(self.limits))
        return self._public(HTTP, host, port, manager, ("h2", "http/1.1"))

    def internal(self) -> Json:
        """Return the listener for the HTTP server's own calls; it has asked for a key already."""
        early = early_mutations("http", is_trusted=True, with_peer=False)
        manager = self._grpc_manager(INTERNAL, early, with_keys=False)
        address = {"pipe": {"path": str(self.sockets.internal)}}
        return {**self._listener(INTERNAL, address, [_chain(manager)]), "ignore_global_conn_limit": True}

    def _public(self, name: str, host: str, port: int, manager: Json, protocols: Sequence[str]) -> Json:
        chain = _chain(manager)
        if self.tls:
            chain |= handshake_limit(self.limits)
            chain["transport_socket"] = downstream_socket(self.tls, protocols, self.sockets)
        address = {"address": host, "port_value": port, "ipv4_compat": host == "::"}
        return self._listener(name, {"socket_address": address}, [chain])

    def _listener(self, name: str, address: Json, chains: list[Json]) -> Json:
        return {
            "name": name,
            "address": address,
            "filter_chains": chains,
            # Otherwise a second gateway on the same port starts without complaint and takes half of the requests.
            "enable_reuse_port": False,
            "per_connection_buffer_limit_bytes": self.limits.connection_buffer,
        }

    def _grpc_manager(self, name: str, early: Json, with_keys: bool) -> Json:
        routes = grpc_routes(self.configured, with_keys, self.limits)
        manager = self._manager(name, "HTTP2", early, routes, grpc_filters(with_keys, self.limits))
        return {**manager, "access_log": [access_log(self.limits)], "local_reply_config": local_replies(self.limits)}

    def _manager(self, name: str, codec: str, early: Json, routes: Json, filters: list[Json]) -> Json:
        limits = self.limits
        return {
            "stat_prefix": name,
            "codec_type": codec,
            "route_config": routes,
            "http_filters": filters,
            "early_header_mutation_extensions": [early],
            "use_remote_address": True,
            "skip_xff_append": True,
            "server_header_transformation": "PASS_THROUGH",
            "max_request_headers_kb": limits.header_kib,
            "request_headers_timeout": seconds(limits.headers),
            "request_timeout": seconds(limits.request),
            "stream_idle_timeout": seconds(limits.silence),
            "stream_flush_timeout": seconds(limits.flush),
            "drain_timeout": seconds(limits.connection_grace),
            "common_http_protocol_options": {
                "idle_timeout": seconds(limits.connection_idle),
                "max_connection_duration": seconds(limits.connection_age),
                "max_headers_count": limits.num_headers,
            },
            "http2_protocol_options": {
                "max_concurrent_streams": limits.concurrent_streams,
                "initial_stream_window_size": limits.stream_window,
                "initial_connection_window_size": limits.connection_window,
                "connection_keepalive": keepalive(limits),
                # A request that breaks the rules ends itself, not those beside it.
                "override_stream_error_on_invalid_http_message": True,
            },
        }


def _chain(manager: Json) -> Json:
    manager_type = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {"filters": [extension("envoy.filters.network.http_connection_manager", manager_type, **manager)]}
