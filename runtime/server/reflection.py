"""grpc.reflection, v1 and v1alpha, by which clients that have no stubs find out what a server serves.

The library's servicer answers; here messages are read raw, as by `rpc.rpc`, so that a malformed one is the caller's
INVALID_ARGUMENT and no exception of ours. A client that sends nothing more, or never ends its stream, gets
DEADLINE_EXCEEDED, so that it cannot delay a drain.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from runtime.rpc.call import parse
from runtime.rpc.message import Context, ManyMessages, next_message, write
from runtime.rpc.status import abort
from tandem.shared.errors import DeadlineExceeded, TandemError

MAX_SECONDS = 10.0
"""What one call may take in all."""

SERVICE_NAME: str = reflection.SERVICE_NAME
_NAMES = (SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
"""The messages of both versions are the same to the byte."""


class _Servicer(ReflectionServicer):  # type: ignore[misc]
    """Finds methods by their names, too, which the library does not."""

    def _file_containing_symbol(self, request: Any, fully_qualified_name: str) -> Any:
        with contextlib.suppress(KeyError):
            method = descriptor_pool.Default().FindMethodByName(fully_qualified_name)
            fully_qualified_name = method.containing_service.full_name
        return super()._file_containing_symbol(request, fully_qualified_name)


def reflection_handlers(service_names: Iterable[str]) -> list[grpc.GenericRpcHandler]:
    """Serve reflection of the services named; their descriptors must be in the default pool."""
    servicer = _Servicer(service_names)

    async def info(_: object, context: Context) -> None:
        try:
            infos = servicer.ServerReflectionInfo(_read_questions(context), context)
            async with _limit(), contextlib.aclosing(infos) as responses:
                async for response in responses:
                    await write(context, response)
        except TandemError as error:
            await abort(context, error)

    serialize = reflection_pb2.ServerReflectionResponse.SerializeToString
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        info, response_serializer=serialize
    )
    return [ManyMessages(name, {"ServerReflectionInfo": handler}) for name in _NAMES]


@contextlib.asynccontextmanager
async def _limit() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(MAX_SECONDS):
            yield
    except TimeoutError:
        raise DeadlineExceeded(f"after {MAX_SECONDS:g} s of questions about the server") from None


async def _read_questions(context: Context) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (raw := await next_message(context)) is not None:
        yield parse(reflection_pb2.ServerReflectionRequest, raw)
