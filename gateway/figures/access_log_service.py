"""Envoy's access log arrives here: the gRPC service envoy.service.accesslog.v3.AccessLogService.

Knows nothing of what an entry says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry, StreamAccessLogsMessage, StreamAccessLogsResponse

logger = logging.getLogger(__name__)

SERVICE = "envoy.service.accesslog.v3.AccessLogService"

_ENTRIES_AT_A_TIME = 64
"""About a millisecond's work; others of the event loop, authorisation among them, need not wait longer."""


class AccessLogService:
    """Gives each entry of every stream to `take`, in the order of arrival; Envoy has one stream a worker."""

    def __init__(self, take: Callable[[HTTPAccessLogEntry], None]) -> None:
        self._take = take
        self._num_open = 0
        self.num_taken = 0
        """Entries taken since the start."""
        self._closed = asyncio.Event()
        self._closed.set()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a grpc.aio server; batches arrive as bytes."""
        method: grpc.RpcMethodHandler[bytes, Any] = grpc.stream_unary_rpc_method_handler(
            self._stream, response_serializer=StreamAccessLogsResponse.SerializeToString
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"StreamAccessLogs": method})

    async def until_closed(self, seconds: float) -> bool:
        """Wait until no stream is open, which is so when Envoy has ended; return False if `seconds` are not enough."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return False
        return True

    async def _stream(self, batches: AsyncIterator[bytes], _: Any) -> StreamAccessLogsResponse:
        self._num_open += 1
        self._closed.clear()
        try:
            async for batch in batches:
                await self._take_all(batch)
        finally:
            self._num_open -= 1
            if not self._num_open:
                self._closed.set()
        return StreamAccessLogsResponse()

    async def _take_all(self, batch: bytes) -> None:
        try:
            entries = StreamAccessLogsMessage.FromString(batch).http_logs.log_entry
        except DecodeError:
            logger.exception("a batch of Envoy's log cannot be read")
            return
        for number, entry in enumerate(entries, start=1):
            self._take(entry)
            self.num_taken += 1
            if number % _ENTRIES_AT_A_TIME == 0:
                await asyncio.sleep(0)
