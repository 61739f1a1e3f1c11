"""The Open Inference Protocol put together: its gRPC servers behind Envoy, and its HTTP routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from gateway.admission import Entrance
from gateway.figures.model_statistics import ModelStatistics
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.oip.http.routes import HttpRoutes
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.information import Information
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.service import InferenceService
from gateway.proxy.sockets import Sockets
from runtime.server.grpcio import OPTIONS, GrpcioServer
from runtime.server.server import Transport, new_transport

# The connection is Envoy's, with the calls of all clients in it: no age may end it.
_OPTIONS = tuple(option for option in OPTIONS if not option[0].startswith("grpc.max_connection_age"))


class OipProtocol:
    """Needs a running event loop."""

    def __init__(self, entrance: Entrance, catalogue: Catalogue, figures: ModelStatistics, sockets: Sockets) -> None:
        self._sockets = sockets
        repository = Repository(catalogue)
        inference, information = Inference(repository), Information(repository, figures, entrance)
        self._service = InferenceService(entrance, inference, information)
        self._http = HttpRoutes(entrance, inference, information)
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

    async def close(self) -> None:
        """End the servers."""
        if self._unary is not None:
            await self._unary.stop(0)
        await self._streams.stop(0)
