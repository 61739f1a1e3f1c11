"""One gRPC method, from raw bytes to status: read the message, call the method, answer or abort.

Methods are registered as raw streams and read their one message themselves, because grpc.aio neither answers a call
that is half-closed without a message nor turns a malformed message into INVALID_ARGUMENT.
Knows nothing of what the methods do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from runtime.caller import caller_of
from runtime.deadlines import Deadline
from runtime.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    MessageTooLarge,
    ResourceExhausted,
    TandemError,
)
from runtime.limits import MAX_MESSAGE_BYTES
from runtime.undisturbed import undisturbed

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

MESSAGE_TIMEOUT_SECONDS = 2.0
CANCELLATION_DELAY_SECONDS = 0.05

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Call:
    """What a method may know of its call: when it came, how long it may take, and who calls."""

    def __init__(self, context: Context) -> None:
        self.received_at = time.monotonic()
        self.deadline = Deadline.after(context.time_remaining())
        self._context = context

    @property
    def caller(self) -> str:
        """The opaque identifier that the gateway sent, or `runtime.caller.NOBODY`. Raises InvalidArgument."""
        return caller_of(self._context.invocation_metadata() or ())


class RpcObserver(Protocol):
    """Told once of each call that ended."""

    def finished(self, rpc: str, code: str, seconds: float) -> None: ...


class Unobserved:
    """Implements RpcObserver for services that nobody counts, as health."""

    def finished(self, rpc: str, code: str, seconds: float) -> None:
        pass


def service_handler(service: ServiceDescriptor, servicer: object, observer: RpcObserver) -> grpc.GenericRpcHandler:
    """Serve `service` with the methods of `servicer`: rpc SampleStream calls `servicer.sample_stream(request, call)`.

    A unary rpc's method is a coroutine that returns the reply, a streaming one's an async generator of replies.
    """
    handlers = {}
    for method in service.methods:
        behaviour = getattr(servicer, _snake_case(method.name))
        handlers[method.name] = _method_handler(method, behaviour, observer)
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _method_handler(
    method: MethodDescriptor, behaviour: Callable[..., Any], observer: RpcObserver
) -> grpc.RpcMethodHandler[Any, Any]:
    request_class = GetMessageClass(method.input_type)

    async def unary(_: object, context: Context) -> Message:
        async with Outcome(context, method.name, observer) as call:
            request = parse(request_class, await read_message(context))
            return await behaviour(request, call)  # type: ignore[no-any-return]

    async def stream(_: object, context: Context) -> None:
        async with Outcome(context, method.name, observer) as call:
            request = parse(request_class, await read_message(context))
            async with contextlib.aclosing(behaviour(request, call)) as responses:
                async for response in responses:
                    await write(context, response)

    serialize = GetMessageClass(method.output_type).SerializeToString
    if method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
    return grpc.stream_unary_rpc_method_handler(unary, response_serializer=serialize)


async def read_message(context: Context) -> bytes:
    """Return the call's one request message, raw. Raises InvalidArgument, DeadlineExceeded, MessageTooLarge.

    A message far above the limit is refused by grpc's core; such a call is cancelled.
    """
    try:
        async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
            message = await context.read()
    except TimeoutError:
        raise DeadlineExceeded(f"waiting {MESSAGE_TIMEOUT_SECONDS:g} s for the request message") from None
    if message is grpc.aio.EOF:
        # A call that the client cancelled reads as ended too, a moment before its task is cancelled.
        await asyncio.sleep(CANCELLATION_DELAY_SECONDS)
        raise InvalidArgument("request", "no message", "exactly one message")
    if len(message) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(len(message), MAX_MESSAGE_BYTES)
    return message  # type: ignore[no-any-return]


async def write(context: Context, response: Any) -> None:
    """Send one message of a stream. A caller that is not there any more has cancelled the call: CancelledError."""
    try:
        await undisturbed(context.write(response))
    except grpc.aio.InternalError:
        # How grpc tells of a write to a connection that was dropped, a moment before it cancels the handler.
        raise asyncio.CancelledError from None


def parse(message_class: type[M], raw: bytes) -> M:
    """Return the message in `raw`. Raises InvalidArgument if it is malformed."""
    try:
        return message_class.FromString(raw)
    except DecodeError:
        raise InvalidArgument("request", raw[:16], f"a {message_class.DESCRIPTOR.full_name} message") from None


class Outcome:
    """The end of a call: every way out becomes one status, told to the client and to the observer."""

    def __init__(self, context: Context, rpc: str, observer: RpcObserver) -> None:
        self._context = context
        self._rpc = rpc
        self._observer = observer
        self._call = Call(context)

    async def __aenter__(self) -> Call:
        return self._call

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        code = code_of(error, self._call.deadline)
        self._observer.finished(self._rpc, code, time.monotonic() - self._call.received_at)
        if error is None or isinstance(error, asyncio.CancelledError):
            return
        if not isinstance(error, TandemError):
            logger.error("%s failed", self._rpc, exc_info=error)
            error = Internal()
        await abort(self._context, error)


def code_of(error: BaseException | None, deadline: Deadline) -> str:
    """Return the name of the gRPC status code that `error` stands for."""
    if error is None:
        return "OK"
    if isinstance(error, asyncio.CancelledError):
        return DeadlineExceeded.code if deadline.explains_cancellation() else "CANCELLED"
    return error.code if isinstance(error, TandemError) else Internal.code


async def abort(context: Context, error: TandemError, trailers: Iterable[tuple[str, str | bytes]] = ()) -> NoReturn:
    """End the call with the status that `error` stands for, its google.rpc details, and `trailers`."""
    await context.abort(grpc.StatusCode[error.code], str(error), (*status_details(error).items(), *trailers))


def status_details(error: TandemError) -> Mapping[str, bytes]:
    """Return the trailer with what a program may read of `error`: google.rpc.Status; none if there is nothing."""
    detail: Message
    if isinstance(error, ResourceExhausted):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        detail = error_details_pb2.RetryInfo(retry_delay=delay)
    elif isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=str(error))
        detail = error_details_pb2.BadRequest(field_violations=[violation])
    else:
        return {}
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode[error.code].value[0], message=str(error), details=[packed])
    return {"grpc-status-details-bin": status.SerializeToString()}
