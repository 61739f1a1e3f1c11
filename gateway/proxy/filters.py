"""The filters that a request passes on its way, in their order."""

from __future__ import annotations

from gateway.proxy.clusters import OBSERVER
from gateway.proxy.document import Json, extension, seconds, typed
from gateway.proxy.limits import Limits

BUFFER, AUTHORIZATION = "envoy.filters.http.buffer", "envoy.filters.http.ext_authz"


def grpc_filters(with_keys: bool, limits: Limits) -> list[Json]:
    """Return the filters of gRPC: who calls, the whole request, then the router."""
    return [*([_authorization(limits)] if with_keys else []), _buffer(limits.message), _router()]


def http_filters(limits: Limits) -> list[Json]:
    """Return the filters of HTTP, whose own server knows who calls."""
    return [_buffer(limits.message), _router()]


def ungated(with_keys: bool) -> Json:
    """Return the settings of a route whose requests need no key and may be streams that do not end."""
    unbuffered = {BUFFER: typed("extensions.filters.http.buffer.v3.BufferPerRoute", disabled=True)}
    if not with_keys:
        return unbuffered
    return {**unbuffered, AUTHORIZATION: typed("extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", disabled=True)}


def _buffer(max_bytes: int) -> Json:
    """Hold a request until it is whole: nobody slow takes a place in a backend, and the size is known."""
    return extension(BUFFER, "extensions.filters.http.buffer.v3.Buffer", max_request_bytes=max_bytes)


def _authorization(limits: Limits) -> Json:
    """Ask the gateway whose key it is; it sees the path and that one header, and without it nobody gets in."""
    return extension(
        AUTHORIZATION,
        "extensions.filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        grpc_service={"envoy_grpc": {"cluster_name": OBSERVER}, "timeout": seconds(limits.authorization)},
        allowed_headers={"patterns": [{"exact": "authorization"}]},
        failure_mode_allow=False,
        status_on_error={"code": "ServiceUnavailable"},
    )


def _router() -> Json:
    kind = "extensions.filters.http.router.v3.Router"
    return extension("envoy.filters.http.router", kind, suppress_envoy_headers=True)
