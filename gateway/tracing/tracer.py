"""A request's span and its children, made after its end of what the gateway knows of it by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from prometheus_client import CollectorRegistry

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry
from gateway.figures.log_entry import Times, times_of
from gateway.figures.observation import SOCKETS, Observation, is_sent_slowly
from gateway.tracing.attributes import attributes_of, name_of
from gateway.tracing.export_queue import ExportQueue
from gateway.tracing.request_trace import PARENT_METADATA, RequestTrace, recorded_trace
from gateway.tracing.settings import TracingSettings
from runtime.rpc.metadata import TRACEPARENT_METADATA, TRACESTATE_METADATA, TraceParent, parse_traceparent
from tandem.shared.metrics import BACKEND_PHASES

SERVICE = "tandem-gateway"
"""What the collector calls us, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say something else."""

FAULTS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
"""Codes that are the server's errors by OpenTelemetry's conventions; the others are a client's."""

_ERROR, _NO_ERROR = Status(StatusCode.ERROR), Status(StatusCode.UNSET)
_RECORDED = TraceFlags(TraceFlags.SAMPLED)


class Sampling:
    """Decides as the SDK's sampler of the settings would, of requests that Envoy refused itself, not of the others."""

    def __init__(self, settings: TracingSettings) -> None:
        self._is_parent_based = settings.is_parent_based
        self._bound = TraceIdRatioBased.get_bound_for_rate(settings.root_ratio)
        self._ids = RandomIdGenerator()

    def decide(self, parent: TraceParent | None, state: str) -> RequestTrace | None:
        """Return the trace of a request whose caller sent `parent`, None if it is not recorded."""
        trace_id = int(parent.trace_id, 16) if parent else self._ids.generate_trace_id()
        is_recorded = trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound
        if parent is not None and self._is_parent_based:
            is_recorded = parent.is_sampled
        caller = () if parent is None else (parent.span_id, state)
        return RequestTrace(f"{trace_id:032x}", "", *caller) if is_recorded else None


class Tracer:
    """Needs one thread; `close` sends what is left."""

    def __init__(self, sampling: Sampling, queue: ExportQueue) -> None:
        self._sampling = sampling
        self._queue = queue
        self._ids = RandomIdGenerator()
        self._resource = _resource()
        self._scope = InstrumentationScope(SERVICE)

    def trace_of(self, headers: Mapping[str, str]) -> RequestTrace | None:
        """Return the trace of a request with these headers in its log entry, None if it is not recorded."""
        header, parent = headers.get(TRACEPARENT_METADATA, ""), headers.get(PARENT_METADATA, "")
        if header and header != parent:
            return recorded_trace(headers)
        # It never went to a backend, or its caller's header is malformed: Envoy then leaves it as it is.
        return self._sampling.decide(parse_traceparent(parent), headers.get(TRACESTATE_METADATA, ""))

    def record(self, raw: HTTPAccessLogEntry, seen: Observation, trace: RequestTrace) -> None:
        """Send the spans of a request that has ended, if there is room for them."""
        times, state = times_of(raw), _state(trace)
        start = raw.common_properties.start_time.ToNanoseconds() - nanoseconds(times.unread)
        children = parts(start, times, seen)
        if not self._queue.admits(1 + len(children)):
            return
        own = self._context(trace, trace.span_id, state)
        parent = self._context(trace, trace.parent_id, state, is_remote=True) if trace.parent_id else None
        status, end = _ERROR if seen.code in FAULTS else _NO_ERROR, start + nanoseconds(seen.total_seconds)
        told = attributes_of(raw, seen)
        spans = [self._span(name_of(seen), own, parent, told, start, end, SpanKind.SERVER, status)]
        for name, begin, end in children:
            spans.append(self._span(name, self._context(trace, "", state), own, {}, begin, end))
        self._queue.put(spans)

    async def close(self) -> None:
        """Send what waits, and end."""
        await self._queue.close()

    def _context(self, trace: RequestTrace, span_id: str, state: TraceState, is_remote: bool = False) -> SpanContext:
        number = int(span_id, 16) if span_id else self._ids.generate_span_id()
        return SpanContext(int(trace.trace_id, 16), number, is_remote, _RECORDED, state)

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Mapping[str, str | bool | int | float],
        start: int,
        end: int,
        kind: SpanKind = SpanKind.INTERNAL,
        status: Status = _NO_ERROR,
    ) -> ReadableSpan:
        # Not by the SDK's Tracer: it draws a span's identifier itself, and the backend has this one's already. It
        # also takes 13 us a span, against 1.
        return ReadableSpan(
            name,
            context,
            parent,
            self._resource,
            attributes,
            kind=kind,
            status=status,
            start_time=start,
            end_time=end,
            instrumentation_scope=self._scope,
        )


def _state(trace: RequestTrace) -> TraceState:
    return TraceState.from_header([trace.state]) if trace.state else TraceState()


def _resource() -> Resource:
    """Return what the environment says of this process, with our name if it gives none."""
    found = Resource.create()
    is_named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: SERVICE}))


def open_tracer(settings: TracingSettings, registry: CollectorRegistry) -> Tracer:
    """Return a tracer that sends to the settings' collector."""
    return Tracer(Sampling(settings), ExportQueue(OTLPSpanExporter(endpoint=settings.endpoint), settings, registry))


GATEWAY, RESIDUAL = "gateway", "residual"
BACKEND = "backend"
"""All that is not the gateway's, of a request whose backend has reported no phases."""

_IN_ORDER = (*BACKEND_PHASES, "backend_other")
_NANOSECONDS = 1_000_000_000


class Part(NamedTuple):
    """A phase as the metrics name it; the instants are nanoseconds since 1970."""

    name: str
    start: int
    end: int


def parts(start: int, times: Times, seen: Observation) -> list[Part]:
    """Return the parts of a request that arrived at `start`: without gaps, the last one's end is that of the request.

    The seconds of one name add up to those in the metrics. The gateway and its sockets have two parts, before the
    backend and after it; what the client took to send the request, and the network, are the residual.
    """
    phases = [(name, seconds) for name, seconds in _phases(times, seen) if seconds > 0.0]
    ends = [start + nanoseconds(seconds) for seconds in accumulate(seconds for _, seconds in phases)]
    if ends:
        ends[-1] = start + nanoseconds(seen.total_seconds)
    starts = [start, *ends[:-1]]
    return [Part(name, *between) for (name, _), between in zip(phases, zip(starts, ends, strict=False), strict=True)]


def nanoseconds(seconds: float) -> int:
    """Return whole nanoseconds."""
    return round(seconds * _NANOSECONDS)


def _phases(times: Times, seen: Observation) -> Iterator[tuple[str, float]]:
    passed = times.last_upstream and times.last_downstream
    after = min(max(0.0, times.last_downstream - times.last_upstream), seen.gateway_seconds) if passed else 0.0
    unread = seen.phases.get(SOCKETS, times.unread)
    others, rest = max(0.0, seen.total_seconds - unread - seen.gateway_seconds), BACKEND
    if seen.phases:
        others, rest = seen.phases[RESIDUAL], RESIDUAL
    sending = min(times.received - times.unread, others) if times.asked and is_sent_slowly(times) else 0.0
    yield SOCKETS, min(unread, times.unread)
    yield RESIDUAL, sending
    yield GATEWAY, seen.gateway_seconds - after
    for name in _IN_ORDER:
        yield name, seen.phases.get(name, 0.0)
    yield rest, others - sending
    yield SOCKETS, unread - min(unread, times.unread)
    yield GATEWAY, after
