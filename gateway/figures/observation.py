"""What the metrics count of one request: its clock, taken apart, and what it brought.

Knows nothing of metrics, nor where entries come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.figures.endings import DENIED
from gateway.figures.entry import Entry
from runtime.routes import Route
from tandem.common.v1.served_pb2 import Served
from tandem.common.v1.timings_pb2 import Timings

UNKNOWN_MODEL = "unknown"

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
    """The proxy's own share of the total: until the request's first byte went upstream, earlier tries included but not
    the time in which the client sent it, and from upstream's last byte to the client's."""
    num_outputs: int = 0
    """Units of the route of which the client saw at least the first."""
    num_pictures: int = 0
    """What a sequential image model made of its tokens."""
    first_output_seconds: float = 0.0
    seconds_per_output: float | None = None
    """Between outputs after the first message, None if it brought all there were."""
    phases: Mapping[str, float] = field(default_factory=dict)
    """The parts of the total by name, which add up to it; empty without timings from the backend."""
    num_retries: int = 0
    refusal: str = ""
    """Why it was turned away: one of gateway.figures.endings' reasons, or empty."""

    @property
    def was_denied(self) -> bool:
        """Whether its caller was not let in."""
        return self.refusal == DENIED


def observe(entry: Entry, route: Route, model: str, served: Served | None) -> Observation:
    """Return what there is to count of an entry, with what its backend served."""
    total, gateway = entry.total_seconds, gateway_seconds(entry)
    # The client got what was sent to it; of a call that ended before anything passed, nothing.
    passed = served if served is not None and entry.first_downstream_seconds else None
    num_outputs = max(0, passed.outputs) if passed else 0
    return Observation(
        route,
        entry.transport,
        model,
        entry.code,
        total,
        gateway,
        num_outputs,
        max(0, passed.pictures) if passed else 0,
        _first_output_seconds(entry, passed) if passed and num_outputs else 0.0,
        _seconds_per_output(entry, passed) if passed else None,
        phases(entry, gateway, served) if served is not None and served.HasField("timings") else {},
        max(0, entry.num_attempts - 1),
        entry.refusal,
    )


def gateway_seconds(entry: Entry) -> float:
    """Return the proxy's share. Until a request is whole the client is sending it; that is not the proxy's doing."""
    total = entry.total_seconds
    if not entry.asked_seconds:
        return total
    sending = entry.received_seconds if entry.received_seconds > AT_ONCE_SECONDS else 0.0
    before = entry.asked_seconds - sending
    after = 0.0
    if entry.last_upstream_seconds and entry.last_downstream_seconds:
        after = entry.last_downstream_seconds - entry.last_upstream_seconds
    return min(total, max(0.0, before) + max(0.0, after))


def phases(entry: Entry, gateway: float, served: Served) -> dict[str, float]:
    """Return the parts of the total, by name.

    A backend's queue begins with the request's arrival at the proxy, by two clocks: what the proxy had it is the
    proxy's, and what is more than there was room for is the difference of the clocks.
    """
    timings = served.timings
    counted_twice = min(served.arrival_wait_seconds, entry.asked_seconds)
    room = entry.total_seconds - gateway
    ahead = max(0.0, served.backend_seconds - counted_twice - room)
    skew = min(ahead, max(0.0, served.arrival_wait_seconds - counted_twice))
    too_much = counted_twice + skew
    backend = _backend_parts(timings, too_much)
    backend["backend_other"] = served.backend_seconds - too_much - sum(backend.values())
    return _poured(backend, room, gateway)


def _backend_parts(timings: Timings, too_much: float) -> dict[str, float]:
    parts = {
        "prefill": timings.prefill_seconds,
        "batch_wait": timings.batch_wait_seconds,
        "decode": timings.decode_seconds,
        "compute": timings.compute_seconds,
        "encode": timings.encode_seconds,
        "queue": timings.queue_seconds - too_much,
    }
    return {name: seconds for name, seconds in parts.items() if seconds > 0.0}


def _poured(backend: Mapping[str, float], room: float, gateway: float) -> dict[str, float]:
    """Return the parts, each as large as there is room for; what is left over is the residual."""
    parts = {}
    for name, seconds in backend.items():
        parts[name] = min(max(0.0, seconds), room)
        room -= parts[name]
    return {**parts, "gateway": gateway, "residual": max(0.0, room)}


def _first_output_seconds(entry: Entry, served: Served) -> float:
    """Return when the client got the first message with an output; others may have come before it."""
    return min(entry.first_downstream_seconds + max(0.0, served.first_output_delay_seconds), entry.total_seconds)


def _seconds_per_output(entry: Entry, served: Served) -> float | None:
    rest = served.outputs - served.first_outputs
    first = entry.first_upstream_seconds + max(0.0, served.first_output_delay_seconds)
    return max(0.0, entry.last_upstream_seconds - first) / rest if rest > 0 else None
