"""Which request goes where: the methods that there are by their full names, and nothing by guesswork."""

from __future__ import annotations

from collections.abc import Collection

from gateway.proxy.clusters import HTTP, SELF
from gateway.proxy.document import Json, seconds
from gateway.proxy.filters import ungated
from gateway.proxy.limits import Limits
from gateway.proxy.retries import retry_policy
from runtime.routes import SERVICES

OWN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.reflection.v1.ServerReflection",
)

# A caller's key, which only Envoy and the gateway may see, and headers of Envoy's own that backends do not read.
_NOT_FOR_BACKENDS = ("authorization", "x-envoy-external-address", "x-forwarded-proto")
# gRPC's own words for it; 404 becomes UNIMPLEMENTED.
_UNKNOWN_METHOD = {"status": 404, "body": {"inline_string": "Method not found!"}}


def grpc_routes(configured: Collection[str], with_keys: bool, limits: Limits) -> Json:
    """Return a RouteConfiguration for gRPC; `configured` are the paradigms that have replicas."""
    routes = [*_own_routes(with_keys)]
    for paradigm in SERVICES:
        action = _forwarded(paradigm, limits) if paradigm in configured else _not_configured(paradigm)
        routes += [{"match": {"path": path, "grpc": {}}, **action} for path in method_paths(paradigm)]
    found = _all_hosts("grpc", [*routes, {"match": {"prefix": "/"}, "direct_response": _UNKNOWN_METHOD}])
    return {**found, "request_headers_to_remove": list(_NOT_FOR_BACKENDS)}


def http_routes() -> Json:
    """Return a RouteConfiguration that gives everything to the gateway's HTTP server, however long it takes."""
    return _all_hosts("http", [{"match": {"prefix": "/"}, "route": {"cluster": HTTP, "timeout": seconds(0)}}])


def method_paths(paradigm: str) -> list[str]:
    """Return the paths of one paradigm's methods, "/package.Service/Method" each."""
    service = SERVICES[paradigm]
    return [f"/{service.full_name}/{method.name}" for method in service.methods]


def _forwarded(paradigm: str, limits: Limits) -> Json:
    """Nothing ends a request but its deadline, which the client and the backend keep, and which goes to the backend.

    Envoy must not: it can end a stream that has begun only by a reset, and clients would call that an internal error.
    """
    route = {
        "cluster": paradigm,
        "timeout": seconds(0),
        "retry_policy": retry_policy(limits),
    }
    return {"route": route}


def _not_configured(paradigm: str) -> Json:
    return {"direct_response": {"status": 503, "body": {"inline_string": f"{paradigm} backend is not configured"}}}


def _own_routes(with_keys: bool) -> list[Json]:
    """A watch of health may say nothing for days; how many there are is bounded with the connections."""
    deadline = {"grpc_timeout_header_max": seconds(0)}
    route = {"cluster": SELF, "timeout": seconds(0), "idle_timeout": seconds(0), "max_stream_duration": deadline}
    return [
        {
            "match": {"prefix": f"/{service}/", "grpc": {}},
            "route": route,
            "typed_per_filter_config": ungated(with_keys),
        }
        for service in OWN_SERVICES
    ]


def _all_hosts(name: str, routes: list[Json]) -> Json:
    return {"name": name, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]}
