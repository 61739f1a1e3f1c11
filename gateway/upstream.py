"""Calls of the product's own RPCs through Envoy's internal listener, on behalf of clients of other protocols."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc

from gateway.http.errors import upstream_error
from gateway.identity import Identity
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route
from runtime.rpc.undisturbed import undisturbed

TRANSPORT_METADATA = "tandem-transport"
"""Metadata key of the label `transport` in the metrics. Envoy removes it from what clients send."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # Envoy tries again, which knows the replicas
    ("grpc.use_local_subchannel_pool", 1),
)


_MAX_TIMEOUT_SECONDS = 1e8
"""More than three years. grpcio ends calls with a timeout of some centuries at once."""


class Upstream:
    """A channel to Envoy's listener at `socket`; calls count as those of `transport`. Needs a running event loop."""

    def __init__(self, socket: Path, transport: str) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        self._own = ((TRANSPORT_METADATA, transport),)

    async def close(self) -> None:
        """End the channel, and whatever runs over it."""
        await self._channel.close()

    async def unary(self, route: Route, request: bytes, identity: Identity, deadline: Deadline) -> bytes:
        """Return the reply of a unary RPC, raw. Raises UpstreamError."""
        method: Any = self._channel.unary_unary(route.path)
        call = method(request, timeout=_timeout(deadline), metadata=(*self._own, *identity.metadata()))
        try:
            return await undisturbed(_reply(call), call.cancel)
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error

    async def stream(
        self, route: Route, request: bytes, identity: Identity, deadline: Deadline
    ) -> AsyncGenerator[bytes, None]:
        """Yield the replies of an RPC, raw; the next is read when the last was taken. Raises UpstreamError."""
        method: Any = self._channel.unary_stream(route.path)
        call = method(request, timeout=_timeout(deadline), metadata=(*self._own, *identity.metadata()))
        try:
            while (reply := await undisturbed(call.read(), call.cancel)) is not grpc.aio.EOF:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error
        finally:
            call.cancel()  # no effect on a call that has ended


async def _reply(call: Any) -> bytes:
    reply: bytes = await call
    return reply


def _timeout(deadline: Deadline) -> float | None:
    seconds = deadline.remaining_seconds()
    return seconds if seconds <= _MAX_TIMEOUT_SECONDS else None
