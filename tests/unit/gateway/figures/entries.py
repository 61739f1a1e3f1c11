"""Log entries as Envoy 1.40 writes them, for each way in which a request ends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.observation import Observation
from runtime.rpc.routes import all_routes
from tandem.common.v1.served_pb2 import Served
from tandem.common.v1.timings_pb2 import Timings

GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
SCORE = "/tandem.ar.v1.AutoregressiveService/Score"
SAMPLE = "/tandem.gan.v1.GanService/Sample"

START = 1_790_000_000_123_456_000
"""Nanoseconds since 1970: when the requests arrived."""

# In the order in which they happen.
TIMES = {
    "last_rx": 0.0011,
    "first_upstream_tx": 0.002,
    "last_upstream_tx": 0.003,
    "first_upstream_rx": 0.010,
    "first_downstream_tx": 0.011,
    "last_upstream_rx": 0.110,
    "last_downstream_tx": 0.112,
}
NEVER_ASKED = {name: None for name in TIMES if "upstream" in name}
LEFT = {"last_upstream_rx": None, "last_downstream_tx": None}


def served(**fields: Any) -> Served:
    """Return what a backend tells: by default of 5 tokens, 1 of them in the first message."""
    timings = Timings(queue_seconds=0.01, prefill_seconds=0.02, decode_seconds=0.05, total_seconds=0.09)
    told = {"model": "m", "outputs": 5, "first_outputs": 1, "backend_seconds": 0.1, "timings": timings}
    return Served(**{**told, **fields})


def encoded(message: Served) -> str:
    """Return it as it is in the log: base64 without padding."""
    return base64.b64encode(message.SerializeToString()).decode().rstrip("=")


def entry(
    path: str = GENERATE,
    *,
    status: str | None = "0",
    in_headers: bool = False,
    told: Served | None = None,
    details: str = "via_upstream",
    flags: tuple[str, ...] = (),
    attempts: int = 1,
    timeout: str | None = None,
    caller: str | None = None,
    transport: str = "grpc",
    response_code: int | None = 200,
    duration: float = 0.113,
    upstream: tuple[str, int] | None = ("127.0.0.1", 50051),
    headers: Mapping[str, str] | None = None,
    sockets: tuple[float, float] | None = None,
    number: int = 0,
    **times: float | None,
) -> HTTPAccessLogEntry:
    """Return an entry: of a call that ended well, but for what is said; `None` as a time leaves it out.

    `sockets`: when head and reply arrived in their sockets, in seconds after the head was read.
    """
    raw = HTTPAccessLogEntry()
    common, request, response = raw.common_properties, raw.request, raw.response
    common.start_time.FromNanoseconds(START)
    common.duration.CopyFrom(duration_of(duration))
    for name, seconds in {**TIMES, **times}.items():
        if seconds is not None:
            getattr(common, f"time_to_{name}_byte").CopyFrom(duration_of(seconds))
    for flag in flags:
        setattr(common.response_flags, flag, True)
    if sockets is not None:
        clock = " ".join(str(START + round(each * 1e9)) if each else "0" for each in sockets)
        common.metadata.filter_metadata["tandem"].fields["clock"].string_value = f"{clock} {number}"
    common.upstream_request_attempt_count = attempts
    if upstream:
        common.upstream_remote_address.socket_address.address, port = upstream
        common.upstream_remote_address.socket_address.port_value = port
    request.path, request.request_id, request.authority = path, "an id", "gateway.example:50050"
    named = {"tandem-transport": transport, "tandem-caller": caller, "grpc-timeout": timeout}
    request.request_headers.update({key: value for key, value in named.items() if value is not None})
    request.request_headers.update(headers or {})
    if response_code is not None:
        response.response_code.value = response_code
    response.response_code_details = details
    ended = response.response_headers if in_headers else response.response_trailers
    if status is not None:
        ended.update({"grpc-status": status, "grpc-message": ""})
    if told is not None:
        ended["tandem-served-bin"] = encoded(told)
    return raw


def left(**fields: Any) -> HTTPAccessLogEntry:
    """Return the entry of a call whose client reset it: by itself, or at its deadline."""
    reset = {"status": None, "details": "http2.remote_reset", "flags": ("downstream_remote_reset",)}
    return entry(**{**reset, **LEFT, **fields})


def refused(status: str, **fields: Any) -> HTTPAccessLogEntry:
    """Return the entry of a call that the proxy answered itself."""
    never = {"in_headers": True, "attempts": 0, "upstream": None, "details": "direct_response", **NEVER_ASKED}
    return entry(status=status, **{**never, **fields})


def duration_of(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))


ROUTES = {route.rpc: route for route in all_routes()}


def observation(rpc: str = "Sample", **fields: Any) -> Observation:
    """Return one that ended well after 0.1 s, without outputs, but for what is said."""
    plain = {"transport": "grpc", "model": "m", "code": "OK", "total_seconds": 0.1, "gateway_seconds": 0.001}
    return Observation(ROUTES[rpc], **{**plain, **fields})
