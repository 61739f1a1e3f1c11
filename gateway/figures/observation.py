"""What the metrics count of one request: its clock, taken apart, and what it brought.

Knows nothing of metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import DENIED, Times, code_of, refusal_of, status_of, times_of
from runtime.rpc.routes import Route
from tandem.common.v1.served_pb2 import Served
from tandem.common.v1.timings_pb2 import Timings
from tandem.shared.metrics import phase_seconds

UNKNOWN_MODEL = "unknown"

SOCKETS = "sockets"
"""The phase in which what had come, request or reply, was not yet read by the proxy."""

AT_ONCE_SECONDS = 0.001
"""A request that is whole so soon after its head came in one piece, and the proxy was reading it meanwhile."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A request that has ended. All times are seconds >= 0; what is left out did not happen."""

    route: Route
    transport: str
    model: str
    code: str
    total_seconds: float
    gateway_seconds: float
    """The proxy's own share of the total: from reading the request until its first byte went upstream, earlier tries
    included but not the time in which the client sent it, and from upstream's last byte to the client's."""
    num_outputs: int = 0
    """Units of the route of which the client saw at least the first."""
    num_images: int = 0
    """What a sequential image model made of its tokens."""
    first_output_seconds: float = 0.0
    seconds_per_output: float | None = None
    """Between outputs after the first message, None if it brought all there were."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """The parts of the total by name, which add up to it; empty without timings from the backend."""
    mean_batch_size: float = 0.0
    """Of the passes that the request rode in: sequences a step or images a pass, >= 1; 0 without timings."""
    num_retries: int = 0
    num_input_tokens: int = 0
    num_cached_tokens: int = 0
    """Of the input tokens, those that were in the backend's cache."""
    trace_id: str = ""
    """The recorded trace that the request belongs to, empty if there is none."""
    refusal: str = ""
    """Why it was turned away: one of gateway.figures.log_entry's reasons, or empty."""

    @property
    def was_denied(self) -> bool:
        """Whether its caller was not let in."""
        return self.refusal == DENIED


def observe(
    raw: HTTPAccessLogEntry, route: Route, model: str, served: Served | None, trace_id: str = ""
) -> Observation:
    """Return what there is to count of an entry of the log, with what its backend served."""
    times, status = times_of(raw), status_of(raw)
    gateway = gateway_seconds(times)
    # The client got what was sent to it; of a call that ended before anything passed, nothing.
    passed = served if served is not None and times.first_downstream else None
    num_outputs = max(0, passed.outputs) if passed else 0
    timings = served.timings if served is not None and served.HasField("timings") else None
    return Observation(
        route,
        raw.request.request_headers.get("tandem-transport", ""),
        model,
        code_of(raw, status),
        times.total,
        gateway,
        num_outputs,
        max(0, passed.images) if passed else 0,
        _first_output_seconds(times, passed) if passed and num_outputs else 0.0,
        _seconds_per_output(times, passed) if passed else None,
        phases(times, gateway, served) if served is not None and timings is not None else {},
        timings.mean_batch_size if timings is not None else 0.0,
        max(0, raw.common_properties.upstream_request_attempt_count - 1),
        max(0, served.input_tokens) if served is not None else 0,
        max(0, served.cached_tokens) if served is not None else 0,
        trace_id,
        refusal_of(raw, status),
    )


def gateway_seconds(times: Times) -> float:
    """Return the proxy's share. Until a request is whole the client is sending it; that is not the proxy's doing."""
    if not times.asked:
        return times.total - times.unread
    before = times.asked - (times.received if is_sent_slowly(times) else times.unread)
    passed = times.last_upstream and times.last_downstream
    after = times.last_downstream - times.last_upstream if passed else 0.0
    return min(times.total - times.unread, max(0.0, before) + max(0.0, after))


def is_sent_slowly(times: Times) -> bool:
    """Return whether the proxy waited for the rest of a request whose head it had."""
    return times.received - times.unread > AT_ONCE_SECONDS


def phases(times: Times, gateway: float, served: Served) -> dict[str, float]:
    """Return the parts of the total, by name: each as large as there is room for, and what is left is the residual.

    A backend's queue begins with the request's arrival at the proxy, by two clocks: what the proxy had it is the
    proxy's, and what is more than there was room for is the difference of the clocks.
    """
    room = times.total - gateway
    sockets = min(room, times.unread + times.reply_unread)
    room -= sockets
    counted_twice = min(served.arrival_wait_seconds, times.asked)
    ahead = max(0.0, served.backend_seconds - counted_twice - room)
    too_much = counted_twice + min(ahead, max(0.0, served.arrival_wait_seconds - counted_twice))
    backend = _backend_parts(served.timings, too_much)
    backend["backend_other"] = served.backend_seconds - too_much - sum(backend.values())
    parts = {SOCKETS: sockets} if times.is_of_sockets else {}
    for name, seconds in backend.items():
        parts[name] = min(max(0.0, seconds), room)
        room -= parts[name]
    return {**parts, "gateway": gateway, "residual": max(0.0, room)}


def _backend_parts(timings: Timings, too_much: float) -> dict[str, float]:
    parts = phase_seconds(timings)
    # Last: where there is too little room for all, it is the queue that gets less.
    queue = parts.pop("queue", 0.0) - too_much
    return {**parts, "queue": queue} if queue > 0.0 else parts


def _first_output_seconds(times: Times, served: Served) -> float:
    """Return when the client got the first message with an output; others may have come before it."""
    return min(times.first_downstream + max(0.0, served.first_output_delay_seconds), times.total)


def _seconds_per_output(times: Times, served: Served) -> float | None:
    rest = served.outputs - served.first_outputs
    first = times.first_upstream + max(0.0, served.first_output_delay_seconds)
    return max(0.0, times.last_upstream - first) / rest if rest > 0 else None
