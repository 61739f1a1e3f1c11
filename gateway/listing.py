"""ListModels at the gateway: a replica lists its own models, and the gateway those of all that serve."""

from __future__ import annotations

from typing import Any

import grpc

from gateway.figures.replicas import Replicas
from runtime.rpc.call import Call
from runtime.rpc.routes import SERVICES, list_models_route
from runtime.rpc.rpc import service_handler
from tandem.shared.errors import Unavailable


class Listing:
    """That of one paradigm's service."""

    def __init__(self, replicas: Replicas, paradigm: str) -> None:
        self._replicas = replicas
        self._paradigm = paradigm

    async def list_models(self, _: object, __: Call) -> Any:
        """Return the models, each name once. Raises Unavailable if there are none."""
        if models := self._replicas.models(self._paradigm):
            return list_models_route(self._paradigm).response_class(models=models)
        raise Unavailable(f"{self._paradigm} backend is not ready")


def listing_handlers(replicas: Replicas) -> list[grpc.GenericRpcHandler]:
    """Return ListModels of each service, for a gRPC server."""
    only = {"ListModels"}
    return [service_handler(each, Listing(replicas, paradigm), only=only) for paradigm, each in SERVICES.items()]
