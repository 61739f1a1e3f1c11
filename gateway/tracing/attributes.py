"""What a request's span says of it, by the names of OpenTelemetry's conventions; tandem.* where they have none.

Nothing of what was asked or answered is among it, nor who asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    found = {**_rpc(raw, seen), **_generation(seen), **_latency(seen), **_own(raw, seen)}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _rpc(raw: HTTPAccessLogEntry, seen: Observation) -> Mapping[str, Any]:
    server = _AUTHORITY.fullmatch(raw.request.authority)
    return {
        "rpc.system.name": "grpc",
        "rpc.method": f"{seen.route.service}/{seen.route.rpc}",
        "rpc.response.status_code": seen.code,
        "error.type": None if seen.code == "OK" else seen.code,
        "server.address": server[1].strip("[]") if server else None,
        "server.port": int(server[2]) if server and server[2] else None,
    }


def _generation(seen: Observation) -> Mapping[str, Any]:
    model = None if seen.model == UNKNOWN_MODEL else seen.model
    is_sequential = seen.route.paradigm == SEQUENTIAL and seen.route.unit is not None
    draws = seen.num_images or (seen.route.paradigm == PARALLEL and seen.route.unit is not None)
    return {
        "gen_ai.operation.name": operation_of(seen.route),
        "gen_ai.provider.name": "tandem",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.output.type": "image" if draws else None,
        "gen_ai.usage.input_tokens": seen.num_input_tokens or None,
        "gen_ai.usage.cache_read.input_tokens": seen.num_cached_tokens if seen.num_input_tokens else None,
        "gen_ai.usage.output_tokens": seen.num_outputs if is_sequential else None,
    }


def _latency(seen: Observation) -> Mapping[str, Any]:
    first = seen.first_output_seconds if seen.num_outputs else None
    is_sequential = seen.route.paradigm == SEQUENTIAL
    return {
        "gen_ai.latency.e2e": seen.total_seconds,
        "gen_ai.latency.time_in_queue": seen.phases.get("queue", 0.0) if seen.phases else None,
        "gen_ai.latency.time_to_first_token": first if is_sequential else None,
        "gen_ai.latency.time_in_model_prefill": seen.phases.get("prefill"),
        "gen_ai.latency.time_in_model_decode": seen.phases.get("decode"),
        "tandem.latency.time_to_first_output": first,
        "tandem.latency.time_in_batch_wait": seen.phases.get("batch_wait"),
        "tandem.latency.time_in_compute": seen.phases.get("compute"),
    }


def _own(raw: HTTPAccessLogEntry, seen: Observation) -> Mapping[str, Any]:
    draws = seen.route.paradigm == PARALLEL and seen.route.unit is not None
    return {
        "tandem.paradigm": seen.route.paradigm,
        "tandem.transport": seen.transport,
        "tandem.streaming": seen.route.streaming,
        "tandem.request_id": raw.request.request_id,
        "tandem.replica": upstream_of(raw),
        "tandem.output_images": seen.num_outputs if draws else seen.num_images or None,
        "tandem.mean_batch_size": seen.mean_batch_size or None,
        "tandem.retries": seen.num_retries or None,
        "tandem.refusal": seen.refusal,
    }
