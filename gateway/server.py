"""The gateway's own gRPC server, at a Unix socket that only Envoy uses, and how the whole gateway stops serving."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc

from gateway.http.transport import HttpTransport
from gateway.proxy.listeners import GRPC
from gateway.proxy.process import Envoy
from gateway.proxy.sockets import Sockets
from runtime.grpcio_server import OPTIONS, GrpcioServer
from runtime.routes import SERVICES
from runtime.server import RpcServer

# The access log is one call that lasts as long as the process: no age may end it.
_OPTIONS = tuple(option for option in OPTIONS if not option[0].startswith("grpc.max_connection_age"))

CUT_OFF_SECONDS = 0.5
"""What Envoy gets to log the calls that were still open over HTTP, and to tell their clients."""


class GatewayServer(RpcServer):
    """Answers health and reflection for clients, and Envoy's own calls; `port` is Envoy's gRPC port once it listens."""

    def __init__(
        self,
        sockets: Sockets,
        handlers: Iterable[grpc.GenericRpcHandler],
        envoy: Envoy,
        http_transport: HttpTransport,
    ) -> None:
        names = [service.full_name for service in SERVICES.values()]
        own = GrpcioServer(options=_OPTIONS)
        super().__init__(f"unix:{sockets.observer}", 0, handlers, names, transport=own)
        self._envoy = envoy
        self._http_transport = http_transport

    async def open(self) -> None:
        """Have Envoy listen at the public ports. Raises PortInUse, EnvoyEnded."""
        await self._envoy.start()
        self.port = self._envoy.ports[GRPC]

    async def stop(self, drain_seconds: float) -> None:
        """Accept nothing new, let what is under way over both transports finish for so long, then end Envoy.

        What Envoy has logged may still be on its way: `close` when it is here.
        """
        await self.health.set_serving(False)
        _, all_ended = await asyncio.gather(self._envoy.drain(drain_seconds), self._http_transport.drain(drain_seconds))
        if not all_ended:
            await self._envoy.drain(CUT_OFF_SECONDS)
        await self._envoy.stop()

    async def close(self) -> None:
        """End the server itself."""
        await super().stop(0)
