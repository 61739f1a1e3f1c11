"""Envoy's part in tracing: it decides which requests are recorded, names their spans, and informs the backends.

The decision must be there when a request goes upstream, before anybody else has seen it. The spans themselves are made
of the log's entries. Envoy makes some of its own, and its tracer must have where to send them: a cluster without hosts.
"""

from __future__ import annotations

from gateway.proxy.template import Json
from gateway.tracing.settings import TracingSettings
from runtime.rpc.metadata import TRACEPARENT_METADATA

TRACED_LISTENERS = ("grpc", "internal")
"""What carries the RPCs themselves; a request that the gateway makes calls of is traced as those calls."""

_NOWHERE = "nowhere"
_MILLION = 1_000_000
_SAMPLERS = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3"


def trace(bootstrap: Json, shared: Json, settings: TracingSettings) -> None:
    """Add tracing to a bootstrap's listeners and to the routes of `shared`, which all of them have."""
    resources = bootstrap["static_resources"]
    resources["clusters"].append({"name": _NOWHERE, "type": "STATIC"})
    for listener in resources["listeners"]:
        if listener["name"] in TRACED_LISTENERS:
            [connection_manager] = listener["filter_chains"][0]["filters"]
            connection_manager["typed_config"]["tracing"] = {"provider": _provider(settings)}
    [host] = shared["grpc_manager"]["route_config"]["virtual_hosts"]
    for route in host["routes"]:
        if "name" in route:
            route["response_headers_to_add"] = [_traceresponse()]


def _provider(settings: TracingSettings) -> Json:
    return {
        "name": "envoy.tracers.opentelemetry",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
            "grpc_service": {"envoy_grpc": {"cluster_name": _NOWHERE}},
            "sampler": _sampler(settings),
        },
    }


def _sampler(settings: TracingSettings) -> Json:
    kind = settings.sampler.removeprefix("parentbased_")
    ratio = {"always_on": 1.0, "always_off": 0.0, "traceidratio": settings.ratio}[kind]
    share = {"numerator": round(ratio * _MILLION), "denominator": "MILLION"}
    root = _extension("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", sampling_percentage=share)
    if kind == settings.sampler:
        return root
    return _extension("parent_based", "ParentBasedSamplerConfig", wrapped_sampler=root)


def _extension(name: str, message: str, **fields: Json) -> Json:
    typed_config = {"@type": f"{_SAMPLERS}.{message}", **fields}
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": typed_config}


def _traceresponse() -> Json:
    """Return the header `traceresponse`, which names the request's trace and span to a client that named none."""
    header = {"key": "traceresponse", "value": f"%REQ({TRACEPARENT_METADATA})%"}
    return {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
