"""Spans that wait for the collector: a bounded queue, emptied by a thread of the SDK's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Counter

from gateway.tracing.settings import TracingSettings

EXPORTED, FAILED, DROPPED = "exported", "failed", "dropped"

CLOSING_SECONDS = 2.0
"""What the last spans get to reach the collector when the gateway stops."""


class ExportQueue:
    """It never blocks: spans that do not fit, or that the collector does not accept, are dropped and counted."""

    def __init__(self, exporter: SpanExporter, settings: TracingSettings, registry: CollectorRegistry) -> None:
        self._counted = _CountedExporter(exporter, registry)
        self._max_spans = settings.max_queue_size
        self._num_taken = 0
        batch = min(settings.max_batch_size, settings.max_queue_size)
        self._processor = BatchSpanProcessor(self._counted, settings.max_queue_size, max_export_batch_size=batch)

    def admits(self, num_spans: int) -> bool:
        """Return whether so many spans may come, those of one request; if not, they count as dropped."""
        has_room = self._num_taken - self._counted.num_settled + num_spans <= self._max_spans
        if not has_room:
            self._counted.count(DROPPED, num_spans)
        return has_room

    def put(self, spans: Sequence[ReadableSpan]) -> None:
        """Take spans that were admitted."""
        self._num_taken += len(spans)
        for span in spans:
            self._processor.on_end(span)

    async def close(self) -> None:
        """Send what is left, for a moment, and end the thread."""
        closing = asyncio.create_task(asyncio.to_thread(self._processor.shutdown))
        await asyncio.wait([closing], timeout=CLOSING_SECONDS)
        self._counted.shutdown()  # ends an export that tries again and again
        await closing


class _CountedExporter(SpanExporter):
    """Counts what became of the spans; called by the queue's thread."""

    def __init__(self, exporter: SpanExporter, registry: CollectorRegistry) -> None:
        self._exporter = exporter
        self._has_ended = False
        self.num_settled = 0
        text = "Spans of requests: taken by the collector, not taken by it, or dropped as too many were waiting."
        self._spans = Counter("tandem_trace_spans", text, ["outcome"], registry=registry)
        for outcome in (EXPORTED, FAILED, DROPPED):
            self._spans.labels(outcome)

    def count(self, outcome: str, num_spans: int) -> None:
        self._spans.labels(outcome).inc(num_spans)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self.count(EXPORTED if result is SpanExportResult.SUCCESS else FAILED, len(spans))
            self.num_settled += len(spans)
        return result

    def shutdown(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._exporter.shutdown()
