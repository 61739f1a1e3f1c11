"""What a request's span says of it, by the names of OpenTelemetry's conventions; tandem.* where they have none.

Nothing of what was asked or answered is among it, nor who asked.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import upstream_of
from gateway.figures.observation import UNKNOWN_MODEL, Observation
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, Route

GENERATES = "generate_content"
"""The operation of an RPC that generates, whether text or images: the gateway does not read requests."""

_AUTHORITY = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?")
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def operation_of(route: Route) -> str:
    """Return gen_ai.operation.name; what generates nothing has a name of its own."""
    return GENERATES if route.unit is not None else _WORD.sub("_", route.rpc).lower()


def name_of(seen: Observation) -> str:
    """Return the span's name: the operation, and the model where one served it."""
    operation = operation_of(seen.route)
    return operation if seen.model == UNKNOWN_MODEL else f"{operation} {seen.model}"


def attributes_of(raw: HTTPAccessLogEntry, seen: Observation) -> dict[str, Any]:
    """Return the attributes of the span of a request; those of no value are left out."""
    route, phases = seen.route, seen.phases
    server = _AUTHORITY.fullmatch(raw.request.authority)
    model = None if seen.model == UNKNOWN_MODEL else seen.model
    is_sequential, draws_at_once = (
        route.unit is not None and route.paradigm == paradigm for paradigm in (SEQUENTIAL, PARALLEL)
    )
    first = seen.first_output_seconds if seen.num_outputs else None
    found = {
        "rpc.system.name": "grpc",
        "rpc.method": f"{route.service}/{route.rpc}",
        "rpc.response.status_code": seen.code,
        "error.type": None if seen.code == "OK" else seen.code,
        "server.address": server[1].strip("[]") if server else None,
        "server.port": int(server[2]) if server and server[2] else None,
        "gen_ai.operation.name": operation_of(route),
        "gen_ai.provider.name": "tandem",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.output.type": "image" if seen.num_images or draws_at_once else None,
        "gen_ai.usage.input_tokens": seen.num_input_tokens or None,
        "gen_ai.usage.cache_read.input_tokens": seen.num_cached_tokens if seen.num_input_tokens else None,
        "gen_ai.usage.output_tokens": seen.num_outputs if is_sequential else None,
        "gen_ai.latency.e2e": seen.total_seconds,
        "gen_ai.latency.time_in_queue": phases.get("queue", 0.0) if phases else None,
        "gen_ai.latency.time_to_first_token": first if route.paradigm == SEQUENTIAL else None,
        "gen_ai.latency.time_in_model_prefill": phases.get("prefill"),
        "gen_ai.latency.time_in_model_decode": phases.get("decode"),
        "tandem.latency.time_to_first_output": first,
        "tandem.latency.time_in_batch_wait": phases.get("batch_wait"),
        "tandem.latency.time_in_compute": phases.get("compute"),
        "tandem.paradigm": route.paradigm,
        "tandem.transport": seen.transport,
        "tandem.streaming": route.streaming,
        "tandem.request_id": raw.request.request_id,
        "tandem.replica": upstream_of(raw),
        "tandem.output_images": seen.num_outputs if draws_at_once else seen.num_images or None,
        "tandem.mean_batch_size": seen.mean_batch_size or None,
        "tandem.retries": seen.num_retries or None,
        "tandem.refusal": seen.refusal,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}
