"""What the rest of the protocol knows of a model: its tensors, and how a request becomes calls of our own RPCs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.protocols.oip.tensors import Inputs, Spec
from runtime.rpc.routes import Route, all_routes
from tandem.oip.grpc_service_pb2 import ModelInferResponse

ROUTES: Mapping[str, Route] = {route.rpc: route for route in all_routes() if route.unit}
"""The RPCs that generate, by their names."""


class Calls(NamedTuple):
    """The calls that a request stands for, and how their replies become its own.

    A unary route's `requests` are made together, and `reply` gets all their replies. A streaming route has one
    request, and `reply` gets each message by itself; None stands for a message that says nothing.
    """

    route: Route
    requests: Sequence[bytes]
    reply: Callable[[Sequence[Any]], ModelInferResponse | None]


class Adapter(ABC):
    """A model that is served. `max_batch_size` is 0 for a model whose requests have no batch dimension.

    `is_decoupled`: whether one request of a stream may have several responses. `parameters` are the names of those that
    a request may have for this model. `fields`: beginnings of field names in errors of our own RPCs, and what a caller
    of this protocol knows them as.
    """

    name: str
    platform: str
    is_decoupled: bool
    max_batch_size: int
    inputs: Sequence[Spec]
    outputs: Sequence[Spec]
    parameters: Collection[str]
    fields: Mapping[str, str]

    @abstractmethod
    def route(self, is_streamed: bool) -> Route:
        """Return the RPC whose budget a request needs, before its tensors are read."""

    @abstractmethod
    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        """Return the calls of a request; `wanted` are the outputs that it lists. Raises InvalidArgument."""
