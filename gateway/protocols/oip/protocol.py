"""The Open Inference Protocol put together: GRPCInferenceService behind Envoy, and the HTTP routes.

Methods that are not here are UNIMPLEMENTED, as gRPC says of them itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from operator import methodcaller
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.admission import Entrance
from gateway.figures.model_statistics import ModelStatistics
from gateway.http.errors import details_of
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.oip.arrived import Arrived
from gateway.protocols.oip.http.routes import HttpRoutes
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.information import Information
from gateway.protocols.oip.stream import InferStream, identify
from gateway.proxy.sockets import Sockets
from runtime.rpc.call import parse
from runtime.rpc.message import Context, ManyMessages, read_message
from runtime.server.grpcio import AGELESS, GrpcioServer
from runtime.server.server import Transport, new_transport
from tandem.oip import grpc_service_pb2 as pb
from tandem.shared.errors import Internal, TandemError

logger = logging.getLogger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_SERIALIZE = methodcaller("SerializeToString")


class OipProtocol:
    """Implements the methods of the service that exist here. Needs a running event loop."""

    def __init__(self, entrance: Entrance, catalogue: Catalogue, figures: ModelStatistics, sockets: Sockets) -> None:
        self._entrance, self._sockets = entrance, sockets
        self._inference, self._information = Inference(catalogue), Information(catalogue, figures, entrance)
        self.http_routes = HttpRoutes(entrance, self._inference, self._information).routes()
        self._unary: Transport | None = None
        self._streams = GrpcioServer(options=AGELESS)

    async def start(self) -> None:
        """Serve gRPC at the sockets: the stream by grpc.aio, all else by a server to which messages arrive as bytes."""
        handlers = {"ModelInfer": _handler(Arrived.of, self._infer)}
        for name, method in self._information.methods().items():
            request_class = GetMessageClass(_SERVICE.methods_by_name[name].input_type)
            handlers[name] = _handler(partial(parse, request_class), partial(_answer, method))
        unary = grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers)
        stream: grpc.RpcMethodHandler[Any, Any]
        stream = grpc.stream_stream_rpc_method_handler(self._infer_stream, response_serializer=_SERIALIZE)
        streams = ManyMessages(_SERVICE.full_name, {"ModelStreamInfer": stream})
        self._unary = await new_transport()
        await self._unary.start(f"unix:{self._sockets.oip}", 0, [unary])
        await self._streams.start(f"unix:{self._sockets.oip_streams}", 0, [streams])

    async def close(self) -> None:
        """End the servers."""
        if self._unary is not None:
            await self._unary.stop(0)
        await self._streams.stop(0)

    async def _infer(self, arrived: Arrived, context: Context) -> Message:
        """Answer one request for inference."""
        with self._entrance.admit() as admission:
            identify(admission, context)
            return await self._inference.infer(arrived.head, arrived.read, admission)

    async def _infer_stream(self, _: object, context: Context) -> None:
        """Answer many requests in one call; an error of one of them goes into its messages."""
        async with _errors_as_status(context):
            await InferStream(self._inference, self._entrance, context).run()


async def _answer(method: Callable[[Any], Message], request: Message, _: Context) -> Message:
    return method(request)


def _handler(
    read: Callable[[bytes], Any], method: Callable[[Any, Context], Awaitable[Message]]
) -> grpc.RpcMethodHandler[Any, Any]:
    async def answer(_: object, context: Context) -> Message:
        async with _errors_as_status(context):
            return await method(read(await read_message(context)), context)

    return grpc.stream_unary_rpc_method_handler(answer, response_serializer=_SERIALIZE)


@contextlib.asynccontextmanager
async def _errors_as_status(context: Context) -> AsyncIterator[None]:
    """End the call with the status of an error that is raised inside."""
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:
        if not isinstance(error, TandemError):
            logger.exception("a call of the Open Inference Protocol failed")
        public = error if isinstance(error, TandemError) else Internal()
        code = grpc.StatusCode[public.code]
        await context.abort(code, str(public), tuple(details_of(public).items()))
