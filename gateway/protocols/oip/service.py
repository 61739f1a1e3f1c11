"""GRPCInferenceService over gRPC. Methods that are not here are UNIMPLEMENTED, as gRPC says of them itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import Message

from gateway.identity import Identity
from gateway.protocols.fields import details_of
from gateway.protocols.oip.arrived import Arrived
from gateway.protocols.oip.inference import Inference
from gateway.protocols.oip.models import description
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.server_metadata import server_metadata
from gateway.protocols.oip.statistics import Statistics
from gateway.protocols.oip.stream import InferStream
from gateway.protocols.oip.tensors.outputs import VERSION
from gateway.protocols.under_way import UnderWay
from runtime.deadlines import Deadline
from runtime.rpc.message import Context, ManyMessages, parse, read_message
from tandem.oip import grpc_service_pb2 as pb
from tandem.shared.errors import Internal, TandemError

logger = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name

Method = Callable[[Any, Context], Awaitable[Message]]


class InferenceService:
    """Implements the methods of the service that exist here."""

    def __init__(
        self, repository: Repository, inference: Inference, statistics: Statistics, under_way: UnderWay
    ) -> None:
        self._repository = repository
        self._inference = inference
        self._statistics = statistics
        self._under_way = under_way

    def unary_handler(self) -> grpc.GenericRpcHandler:
        """Return all methods but the stream, for a server to which messages arrive as bytes."""
        unary: Mapping[str, tuple[Any, Method]] = {
            "ServerLive": (pb.ServerLiveRequest, self.server_live),
            "ServerReady": (pb.ServerReadyRequest, self.server_ready),
            "ModelReady": (pb.ModelReadyRequest, self.model_ready),
            "ServerMetadata": (pb.ServerMetadataRequest, self.server_metadata),
            "ModelMetadata": (pb.ModelMetadataRequest, self.model_metadata),
            "ModelConfig": (pb.ModelConfigRequest, self.model_config),
            "ModelStatistics": (pb.ModelStatisticsRequest, self.model_statistics),
            "RepositoryIndex": (pb.RepositoryIndexRequest, self.repository_index),
        }
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            name: _handler(partial(parse, request_class), method) for name, (request_class, method) in unary.items()
        }
        handlers["ModelInfer"] = _handler(Arrived.of, self.model_infer)
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def stream_handler(self) -> grpc.GenericRpcHandler:
        """Return the stream, for a grpc.aio server."""
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self.model_stream_infer, response_serializer=_serialized
        )
        return ManyMessages(SERVICE, {"ModelStreamInfer": handler})

    async def server_live(self, _: pb.ServerLiveRequest, __: Context) -> pb.ServerLiveResponse:
        """Return whether the process runs."""
        return pb.ServerLiveResponse(live=True)

    async def server_ready(self, _: pb.ServerReadyRequest, __: Context) -> pb.ServerReadyResponse:
        """Return whether the gateway is ready, and not draining."""
        return pb.ServerReadyResponse(ready=self._repository.is_ready() and not self._under_way.is_draining)

    async def model_ready(self, request: pb.ModelReadyRequest, _: Context) -> pb.ModelReadyResponse:
        """Return whether a model is served."""
        return pb.ModelReadyResponse(ready=self._repository.has(request.name, request.version))

    async def server_metadata(self, _: pb.ServerMetadataRequest, __: Context) -> pb.ServerMetadataResponse:
        """Return the server's name, version and extensions."""
        return server_metadata()

    async def model_metadata(self, request: pb.ModelMetadataRequest, _: Context) -> pb.ModelMetadataResponse:
        """Return the tensors of a model with their types and shapes."""
        return description.metadata(self._repository.find(request.name, request.version))

    async def model_config(self, request: pb.ModelConfigRequest, _: Context) -> pb.ModelConfigResponse:
        """Return a model's description in the form of Triton's config.pbtxt."""
        model = self._repository.find(request.name, request.version)
        return pb.ModelConfigResponse(config=description.config(model))

    async def model_infer(self, arrived: Arrived, context: Context) -> pb.ModelInferResponse:
        """Answer one request for inference."""
        name, version = arrived.head.model_name, arrived.head.model_version
        with self._under_way.request():
            _, _, reply = await self._inference.infer(name, version, arrived.read, *_caller(context))
            return reply

    async def model_statistics(self, request: pb.ModelStatisticsRequest, _: Context) -> pb.ModelStatisticsResponse:
        """Return counts and times of one model, or of all."""
        return self._statistics.report(request.name, request.version)

    async def repository_index(self, _: pb.RepositoryIndexRequest, __: Context) -> pb.RepositoryIndexResponse:
        """List the models that are served."""
        return repository_index(self._repository)

    async def model_stream_infer(self, _: object, context: Context) -> None:
        """Answer many requests in one call; an error of one of them goes into its messages."""
        async with _errors_as_status(context):
            await InferStream(self._inference, self._under_way, context, *_caller(context)).run()


def repository_index(repository: Repository) -> pb.RepositoryIndexResponse:
    """Return the models that are served, all of them ready."""
    index = pb.RepositoryIndexResponse()
    for model in repository.models():
        index.models.add(name=model.name, version=VERSION, state="READY")
    return index


def _caller(context: Context) -> tuple[Identity, Deadline]:
    identity = Identity.of_metadata(context.invocation_metadata() or ())
    return identity, Deadline.after(context.time_remaining())


def _handler(read: Callable[[bytes], Any], method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    async def answer(_: object, context: Context) -> Message:
        async with _errors_as_status(context):
            return await method(read(await read_message(context)), context)

    return grpc.stream_unary_rpc_method_handler(answer, response_serializer=_serialized)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


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
