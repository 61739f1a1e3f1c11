"""Which requests are recorded where Envoy has not decided it: those that it refused itself."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from gateway.tracing.request_trace import RequestTrace
from gateway.tracing.settings import TracingSettings
from runtime.rpc.traceparent import TraceParent


class Sampling:
    """The SDK's sampler of the settings."""

    def __init__(self, settings: TracingSettings) -> None:
        kind = settings.sampler.removeprefix("parentbased_")
        ratio = {"always_on": 1.0, "always_off": 0.0, "traceidratio": settings.ratio}[kind]
        root = TraceIdRatioBased(ratio)
        self._sampler = root if kind == settings.sampler else ParentBased(root)
        self._ids = RandomIdGenerator()

    def decide(self, parent: TraceParent | None, state: str) -> RequestTrace | None:
        """Return the trace of a request whose caller sent `parent`, None if it is not recorded."""
        trace_id = int(parent.trace_id, 16) if parent else self._ids.generate_trace_id()
        if self._sampler.should_sample(_context(parent), trace_id, "").decision is not Decision.RECORD_AND_SAMPLE:
            return None
        return RequestTrace(f"{trace_id:032x}", "", *((parent.span_id, state) if parent else ()))


def _context(parent: TraceParent | None) -> Context | None:
    if parent is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    span = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span))
