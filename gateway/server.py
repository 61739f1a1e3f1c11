"""The gateway's own gRPC server, at a Unix socket that only Envoy uses, and how the whole gateway stops serving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import grpc

from gateway.admission import Entrance
from gateway.proxy.admin import GRPC, HTTP
from gateway.proxy.process import Envoy
from gateway.proxy.sockets import Sockets
from runtime.rpc.routes import SERVICES
from runtime.server.grpcio import OPTIONS, GrpcioServer
from runtime.server.server import RpcServer

logger = logging.getLogger(__name__)

# The access log is one call that lasts as long as the process: no age may end it.
_OPTIONS = tuple(option for option in OPTIONS if not option[0].startswith("grpc.max_connection_age"))

LOG_SECONDS = 5.0
"""What the entries of finished calls may take to arrive; Envoy loses those that it still has when it ends."""

CUT_OFF_SECONDS = 0.5
"""Time for Envoy to log the HTTP calls that were still open, and to answer their clients."""


class GatewayServer(RpcServer):
    """Answers health and reflection for clients, and Envoy's own calls; `port` is Envoy's gRPC port once it listens."""

    def __init__(
        self,
        sockets: Sockets,
        handlers: Iterable[grpc.GenericRpcHandler],
        envoy: Envoy,
        entrances: Sequence[Entrance],
        num_logged: Callable[[], int],
    ) -> None:
        """`num_logged` returns how many entries of Envoy's log have come."""
        names = [service.full_name for service in SERVICES.values()]
        own = GrpcioServer(options=_OPTIONS)
        super().__init__(f"unix:{sockets.observer}", 0, handlers, names, transport=own)
        self._envoy = envoy
        self._entrances = entrances
        self._num_logged = num_logged

    async def open(self) -> None:
        """Have Envoy listen at the public ports. Raises PortInUse, EnvoyEnded."""
        await self._envoy.start()
        self.port = self._envoy.ports[GRPC]
        self.health.set_metrics_port(self._envoy.ports[HTTP])

    async def stop(self, drain_seconds: float) -> None:
        """Accept nothing new, let requests in flight on both transports finish for so long, then end Envoy.

        Call `close` when Envoy's log has ended.
        """
        await self.health.set_serving(False)
        drains = (entrance.drain(drain_seconds) for entrance in self._entrances)
        _, *all_ended = await asyncio.gather(self._envoy.drain(drain_seconds), *drains)
        if not all(all_ended):
            await self._envoy.drain(CUT_OFF_SECONDS)
        if not await self._envoy.until_logged(self._num_logged, LOG_SECONDS):
            logger.warning("the last entries of Envoy's log have not come; their requests are not counted")
        await self._envoy.stop()

    async def close(self) -> None:
        """End the server itself."""
        await super().stop(0)
