"""A collector: a real OTLP receiver over gRPC, which keeps the spans."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service


class Collector(service.TraceServiceServicer):
    """`spans` are OTLP's messages, in the order in which they came, and `services` who sent them."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: set[str] = set()
        self.address = ""
        self.on_export: Callable[[Any, Any], Awaitable[Any]] = self._keep
        self._arrived = asyncio.Condition()

    async def Export(self, request: Any, context: Any) -> Any:
        return await self.on_export(request, context)

    async def _keep(self, request: Any, _: Any) -> Any:
        async with self._arrived:
            for resource in request.resource_spans:
                names = [each.value.string_value for each in resource.resource.attributes if each.key == "service.name"]
                self.services.update(names)
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            self._arrived.notify_all()
        return messages.ExportTraceServiceResponse()

    async def requests(self, count: int) -> list[Any]:
        """Return the spans of requests once there are so many; those of one request come together."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: len(self._of_requests()) >= count)
        return self._of_requests()

    def children(self, parent: Any) -> list[Any]:
        return [span for span in self.spans if span.parent_span_id == parent.span_id]

    def _of_requests(self) -> list[Any]:
        return [span for span in self.spans if span.kind == span.SPAN_KIND_SERVER]


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run one at a free port."""
    collector, server = Collector(), grpc.aio.server()
    service.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(0)


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
