"""The tracer of the settings, or none. The SDK is loaded only where something is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from gateway.tracing.settings import TracingSettings

if TYPE_CHECKING:
    from gateway.tracing.tracer import Tracer


def open_tracer(settings: TracingSettings | None, registry: CollectorRegistry) -> Tracer | None:
    """Return a tracer that sends to the settings' collector, None without settings."""
    if settings is None:
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    from gateway.tracing.export_queue import ExportQueue
    from gateway.tracing.tracer import Sampling, Tracer

    exporter = OTLPSpanExporter(endpoint=settings.endpoint)
    return Tracer(Sampling(settings), ExportQueue(exporter, settings, registry))
