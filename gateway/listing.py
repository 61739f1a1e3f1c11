"""ListModels at the gateway: a replica lists its own models, and the gateway those of all that serve."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc

from gateway.figures.replicas import Replicas
from runtime.rpc.call import Call
from runtime.rpc.routes import SERVICES, list_models_route
from runtime.rpc.rpc import service_handler
from tandem.shared.errors import Unavailable


def listing_handlers(replicas: Replicas) -> list[grpc.GenericRpcHandler]:
    """Return ListModels of each service, for a gRPC server."""
    return [
        service_handler(service, SimpleNamespace(list_models=partial(_list, replicas, paradigm)), only={"ListModels"})
        for paradigm, service in SERVICES.items()
    ]


async def _list(replicas: Replicas, paradigm: str, _: object, __: Call) -> Any:
    """Return the models of one paradigm's service, each name once. Raises Unavailable if there are none."""
    if models := replicas.models(paradigm):
        return list_models_route(paradigm).response_class(models=models)
    raise Unavailable(f"{paradigm} backend is not ready")
