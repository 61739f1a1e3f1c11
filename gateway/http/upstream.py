"""The calls that the HTTP server makes for its callers, to Envoy's internal listener: raw bytes in, raw bytes out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc

from gateway.http.upstream_error import upstream_error
from runtime.routes import Route
from runtime.undisturbed import undisturbed

Metadata = tuple[tuple[str, str], ...]

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # Envoy tries again, which knows the replicas
    ("grpc.use_local_subchannel_pool", 1),
)


class Upstream:
    """A channel to the Unix socket at `path`; needs a running event loop. Errors are UpstreamErrors."""

    def __init__(self, path: Path) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{path}", options=_OPTIONS)

    async def close(self) -> None:
        """End the channel and whatever runs over it."""
        await self._channel.close()

    async def unary(self, route: Route, request: bytes, metadata: Metadata, timeout_seconds: float | None) -> bytes:
        """Return the one reply. Raises UpstreamError."""
        method: Any = self._channel.unary_unary(route.path)
        call = method(request, timeout=timeout_seconds, metadata=metadata)
        try:
            reply: bytes = await call
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error
        return reply

    async def stream(
        self, route: Route, request: bytes, metadata: Metadata, timeout_seconds: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the replies; the next one is read when the last one was taken. Raises UpstreamError.

        Close the iterator (contextlib.aclosing) to cancel the call at once.
        """
        method: Any = self._channel.unary_stream(route.path)
        call = method(request, timeout=timeout_seconds, metadata=metadata)
        try:
            while (reply := await undisturbed(call.read(), call.cancel)) is not grpc.aio.EOF:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error
        finally:
            call.cancel()  # no effect on a call that has ended
