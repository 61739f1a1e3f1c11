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
from functools import cached_property
from operator import methodcaller
from typing import Any, NoReturn, Protocol

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from runtime.deadlines import Deadline
from runtime.rpc.arrival import arrival_wait_seconds
from runtime.rpc.caller import Owner, caller_of, peer_of
from runtime.rpc.fast_path import FastPath
from runtime.rpc.message import Context, parse, read_message, write
from runtime.rpc.routes import Route, route_of
from runtime.rpc.served.ledger import REQUEST_ID_METADATA, ServedLedger
from runtime.rpc.served.trailer import SERVED_METADATA, ServedCount
from runtime.rpc.traceparent import sampled_trace_id
from tandem.shared.errors import DeadlineExceeded, Internal, InvalidArgument, ResourceExhausted, TandemError

logger = logging.getLogger(__name__)


class Call:
    """What a method may know of its call: when it came, how long it may take, and who calls.

    `received_at`: when it arrived at the proxy, if there is one, else when its handler began; `started_at`: when its
    handler had the message. Both are monotonic seconds; what passes between them is queueing time.
    """

    def __init__(self, context: Context) -> None:
        self._metadata = tuple(context.invocation_metadata() or ())
        self.arrival_wait_seconds = arrival_wait_seconds(self._metadata, time.time())
        self.started_at = time.monotonic()
        self.received_at = self.started_at - self.arrival_wait_seconds
        self.deadline = Deadline.after(context.time_remaining())
        self.model = ""
        """The name of the model that serves the call; the method enters it as soon as it is known."""
        self.trailers: tuple[tuple[str, str], ...] = ()
        """Trailing metadata of a reply of a service that the gateway does not count; the method enters it."""

    @property
    def caller(self) -> str:
        """The opaque identifier that the gateway sent, or `runtime.rpc.caller.NOBODY`. Raises InvalidArgument."""
        return caller_of(self._metadata)

    @property
    def owner(self) -> Owner:
        """Whose work it is when callers take turns: the caller, else the peer's address. Raises InvalidArgument."""
        return Owner.of(self.caller, peer_of(self._metadata))

    @property
    def request_id(self) -> str:
        """The identifier that the proxy gave the request, empty if it gave none."""
        return next((str(value) for key, value in self._metadata if key == REQUEST_ID_METADATA), "")

    @cached_property
    def trace_id(self) -> str:
        """The trace that the call belongs to, if it is recorded; else empty."""
        return sampled_trace_id(self._metadata)


class RpcObserver(Protocol):
    """Told once of each call that ended: with the others that were refused as it was, or alone.

    `trace_id` is the recorded trace that a call belongs to, empty if there is none.
    """

    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None: ...

    def refused(self, rpc: str, code: str, count: int) -> None: ...


class Unobserved:
    """Implements RpcObserver for services that are not counted, such as health."""

    def finished(self, rpc: str, code: str, seconds: float, trace_id: str) -> None:
        pass

    def refused(self, rpc: str, code: str, count: int) -> None:
        pass


class ServiceHandler(grpc.GenericRpcHandler):
    """The methods of one service, and who counts the calls that never come to them."""

    def __init__(
        self, methods: grpc.GenericRpcHandler, observer: RpcObserver, fast_path: FastPath | None = None
    ) -> None:
        self._methods = methods
        self._observer = observer
        self.fast_path = fast_path

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.service(handler_call_details)

    def refused(self, path: str, count: int) -> None:
        """Count calls that the server refused before their method was called."""
        self._observer.refused(path.rpartition("/")[2], ResourceExhausted.code, count)


def service_handler(
    service: ServiceDescriptor,
    servicer: object,
    observer: RpcObserver,
    ledger: ServedLedger | None = None,
    fast_path: FastPath | None = None,
) -> ServiceHandler:
    """Serve `service` with the methods of `servicer`: rpc SampleStream calls `servicer.sample_stream(request, call)`.

    A unary rpc's method is a coroutine that returns the reply, a streaming one's an async generator of replies.
    `ledger` keeps what calls were served to which a proxy gave an id. Where the transport can, `fast_path` gets calls
    before the methods do.
    """
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in service.methods:
        behaviour = getattr(servicer, _snake_case(method.name))
        handlers[method.name] = _method_handler(method, behaviour, observer, ledger)
    return ServiceHandler(grpc.method_handlers_generic_handler(service.full_name, handlers), observer, fast_path)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _method_handler(
    method: MethodDescriptor, behaviour: Callable[..., Any], observer: RpcObserver, ledger: ServedLedger | None
) -> grpc.RpcMethodHandler[Any, Any]:
    request_class = GetMessageClass(method.input_type)
    route = route_of(method)
    has_model = "model" in method.input_type.fields_by_name

    async def read(outcome: Outcome, context: Context) -> Message:
        raw = await read_message(context)
        outcome.call.started_at = time.monotonic()
        request = parse(request_class, raw)
        outcome.names_model = has_model and bool(request.model)  # type: ignore[attr-defined]
        return request

    async def unary(_: object, context: Context) -> Message:
        async with Outcome(context, method.name, route, observer, ledger) as outcome:
            request = await read(outcome, context)
            response: Message = await behaviour(request, outcome.call)
            outcome.sent(response)
            return response

    async def stream(_: object, context: Context) -> None:
        async with Outcome(context, method.name, route, observer, ledger) as outcome:
            request = await read(outcome, context)
            async with contextlib.aclosing(behaviour(request, outcome.call)) as responses:
                async for response in responses:
                    # Before the write: a client may have the message, and leave, a moment before the write has ended.
                    outcome.sent(response)
                    await write(context, response)

    # Not the class's own: a method may give what only looks like a message, to write large contents without copies.
    serialize = methodcaller("SerializeToString")
    if method.server_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
    return grpc.stream_unary_rpc_method_handler(unary, response_serializer=serialize)


class Outcome:
    """The end of a call: however it ends, there is one status for the client and the observer.

    Calls of the routes that Tandem counts have in their trailers what they were served, whatever their status. Those
    that are cancelled have no trailers; the ledger keeps what they were served.
    """

    def __init__(
        self,
        context: Context,
        rpc: str,
        route: Route | None,
        observer: RpcObserver,
        ledger: ServedLedger | None,
    ) -> None:
        self.call = Call(context)
        self._context = context
        self._rpc = rpc
        self._observer = observer
        self._ledger = ledger
        self._count = None if route is None else ServedCount(route)
        self.names_model = False
        """Whether the request says whose queue it is for: only then does what it is answered hold for those like it."""

    def sent(self, message: Message) -> None:
        """Count a message that goes out, or is the reply."""
        if self._count is not None:
            self._count.sent(message)

    async def __aenter__(self) -> Outcome:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        code = code_of(error, self.call.deadline)
        seconds = time.monotonic() - self.call.received_at
        self._observer.finished(self._rpc, code, seconds, self.call.trace_id)
        trailers = self._trailers(seconds)
        if error is None:
            self._context.set_trailing_metadata(trailers)
        elif not isinstance(error, asyncio.CancelledError):
            await self._abort(self._public(error), trailers)

    async def _abort(self, error: TandemError, trailers: Iterable[tuple[str, str | bytes]]) -> None:
        """End the call; with a transport that can, also those like it that come while there is no room."""
        room = error.room if isinstance(error, ResourceExhausted) and self.names_model else None
        turn_away = getattr(self._context, "turn_away", None)
        if room is None or turn_away is None:
            await abort(self._context, error, trailers)
        else:
            details = tuple(status_details(error).items())
            standing = () if self._count is None else _trailer(self._count.served(self.call.model, 0.0, 0.0))
            await turn_away(grpc.StatusCode[error.code], str(error), (*details, *trailers), (*details, *standing), room)

    def _trailers(self, backend_seconds: float) -> tuple[tuple[str, str | bytes], ...]:
        if self._count is None:
            return self.call.trailers
        served = self._count.served(self.call.model, backend_seconds, self.call.arrival_wait_seconds)
        trailers = _trailer(served)
        if self._ledger is not None:
            self._ledger.keep(self.call.request_id, trailers[0][1])
        return trailers

    def _public(self, error: BaseException) -> TandemError:
        if isinstance(error, TandemError):
            return error
        logger.error("%s failed", self._rpc, exc_info=error)
        return Internal()


def _trailer(served: Message) -> tuple[tuple[str, bytes]]:
    return ((SERVED_METADATA, served.SerializeToString()),)


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
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error), reason=error.reason
        )
        detail = error_details_pb2.BadRequest(field_violations=[violation])
    else:
        return {}
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode[error.code].value[0], message=str(error), details=[packed])
    return {"grpc-status-details-bin": status.SerializeToString()}
