"""grpc.reflection.v1alpha, by which clients that have no stubs find out what a server serves.

The library's servicer answers; here messages are read raw, as by `runtime.rpc`, so that a malformed one is the caller's
INVALID_ARGUMENT and no exception of ours.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from runtime.errors import TandemError
from runtime.rpc import Context, abort, parse

SERVICE_NAME: str = reflection.SERVICE_NAME


def reflection_handler(service_names: Iterable[str]) -> grpc.GenericRpcHandler:
    """Serve reflection of the services named; their descriptors must be in the default pool."""
    servicer = ReflectionServicer(service_names)

    async def info(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        responses = servicer.ServerReflectionInfo(_parsed(requests), context)
        try:
            async with contextlib.aclosing(responses):
                async for response in responses:
                    yield response
        except TandemError as error:
            await abort(context, error)

    serialize = reflection_pb2.ServerReflectionResponse.SerializeToString
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        info, response_serializer=serialize
    )
    return grpc.method_handlers_generic_handler(SERVICE_NAME, {"ServerReflectionInfo": handler})


async def _parsed(requests: AsyncIterator[bytes]) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    async for raw in requests:
        yield parse(reflection_pb2.ServerReflectionRequest, raw)
