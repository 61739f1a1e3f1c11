"""A gRPC server: its handlers, health and reflection on one port, over one of two transports."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

import grpc

from runtime.http2 import Http2
from runtime.http2.library import open_http2
from runtime.http2.server import Http2Server
from runtime.loading_thread import in_loading_thread
from runtime.server.grpcio import GrpcioServer
from runtime.server.health import Health
from runtime.server.reflection import SERVICE_NAME, reflection_handlers
from runtime.tls import ServerTls
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.errors import ExpectedError

logger = logging.getLogger(__name__)


class PortInUse(Exception):
    """Expected error: the process cannot listen on the address; the operator must choose another."""


Transport = Http2Server | GrpcioServer
"""Brings calls to handlers and replies to clients."""


async def new_transport(http2: Http2 = "auto", tls: ServerTls | None = None) -> Transport:
    """Return the transport that a process asks for. Raises ValueError for one that cannot be had.

    "native" is nghttp2 in a thread of C++, about a fifth of grpcio's cost a call; it has no TLS, and is compiled the
    first time. "auto" takes it where it can be had.
    """
    if http2 == "grpcio" or (http2 == "auto" and tls is not None):
        return GrpcioServer(tls)
    if tls is not None:
        raise ExpectedError("http2: native has no TLS; take grpcio, or no tls_cert")
    try:
        return Http2Server(await in_loading_thread(open_http2))
    except LibraryUnavailable as error:
        if http2 == "native":
            raise ExpectedError(f"http2: native is not to be had: {error}") from None
        logger.warning("grpcio serves, at a higher cost a call: %s", error)
        return GrpcioServer()


class RpcServer:
    """Owns the transport; `start` binds, `stop` drains."""

    def __init__(
        self,
        host: str,
        port: int,
        handlers: Iterable[grpc.GenericRpcHandler],
        names: Iterable[str],
        tls: ServerTls | None = None,
        http2: Http2 = "auto",
        transport: Transport | None = None,
    ) -> None:
        """`transport`: one that is there already, instead of what `tls` and `http2` ask for."""
        self._tls, self._http2 = tls, http2
        self._host = host
        self._handlers = tuple(handlers)
        self._names = tuple(names)
        self._transport = transport
        self.health = Health(self._names)
        self.port = port

    async def start(self) -> None:
        """Bind and accept calls, health NOT_SERVING. Raises PortInUse, ValueError."""
        self._transport = self._transport or await new_transport(self._http2, self._tls)
        names = (*self._names, self.health.service_name, SERVICE_NAME)
        own = (self.health.handler(), *reflection_handlers(names))
        try:
            self.port = await self._transport.start(self._host, self.port, (*self._handlers, *own))
        except OSError as error:
            reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
            reason = reason or "the port is in use or the address is not ours"  # grpcio does not tell which
            raise PortInUse(f"cannot listen on {self._host}:{self.port}: {reason}") from None

    async def stop(self, drain_seconds: float) -> None:
        """Refuse new calls, let open ones finish for `drain_seconds`, then cancel them."""
        await self.health.stop()
        if self._transport is not None:
            await self._transport.stop(drain_seconds)
