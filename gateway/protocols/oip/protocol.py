"""The Open Inference Protocol put together: its gRPC servers behind Envoy, and its HTTP routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from gateway.access.access import Access
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.model_statistics import ModelStatistics
from gateway.figures.replicas import Replicas
from gateway.protocols.oip.http.routes import HttpRoutes
from gateway.protocols.oip.inference import TRANSPORT, Inference
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.service import InferenceService
from gateway.protocols.oip.statistics import Statistics
from gateway.protocols.under_way import UnderWay
from gateway.proxy.sockets import Sockets
from gateway.upstream import Upstream
from runtime.server.grpcio import OPTIONS, GrpcioServer
from runtime.server.server import Transport, new_transport

# The connection is Envoy's, with the calls of all clients in it: no age may end it.
_OPTIONS = tuple(option for option in OPTIONS if not option[0].startswith("grpc.max_connection_age"))


class OipProtocol:
    """Implements gateway.server.Entrance; needs a running event loop."""

    def __init__(
        self,
        access: Access,
        replicas: Replicas,
        metrics: GatewayMetrics,
        figures: ModelStatistics,
        sockets: Sockets,
    ) -> None:
        self._sockets = sockets
        self._upstream = Upstream(sockets.internal, TRANSPORT)
        self._under_way = UnderWay()
        repository = Repository(replicas)
        statistics = Statistics(repository, figures)
        inference = Inference(access, repository, self._upstream, metrics)
        self._service = InferenceService(repository, inference, statistics, self._under_way)
        self._http = HttpRoutes(access, repository, inference, statistics, self._under_way)
        self._unary: Transport | None = None
        self._streams = GrpcioServer(options=_OPTIONS)

    def http_routes(self) -> list[BaseRoute]:
        """Return the protocol's HTTP routes."""
        return self._http.routes()

    async def start(self) -> None:
        """Serve gRPC at the sockets. Raises OSError."""
        self._unary = await new_transport()
        await self._unary.start(f"unix:{self._sockets.oip}", 0, [self._service.unary_handler()])
        await self._streams.start(f"unix:{self._sockets.oip_streams}", 0, [self._service.stream_handler()])

    async def drain(self, seconds: float) -> bool:
        """Refuse new requests, let open ones finish for so long, cancel the rest; return whether none was cancelled."""
        return await self._under_way.drain(seconds)

    async def close(self) -> None:
        """End the servers and the calls that are left."""
        if self._unary is not None:
            await self._unary.stop(0)
        await self._streams.stop(0)
        await self._upstream.close()
