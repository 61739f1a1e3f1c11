"""The methods of a service as a server takes them: read the message, call the method, answer or abort.

Methods are registered as raw streams and read their one message themselves, because grpc.aio neither answers a call
that is half-closed without a message nor turns a malformed message into INVALID_ARGUMENT. A unary method may be a
callback method, which needs no coroutine: our own server calls it without a task (`runtime.rpc.call.CallbackCall`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Mapping
from functools import partial
from operator import methodcaller
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from runtime.rpc.call import Call, Method, RpcObserver, open_call
from runtime.rpc.message import Context, read_message, write
from runtime.rpc.served import ServedLedger
from tandem.shared.errors import ResourceExhausted


class ServiceHandler(grpc.GenericRpcHandler):
    """The methods of one service. `callback_methods`: those that our own server calls without a coroutine, by path."""

    def __init__(
        self, methods: grpc.GenericRpcHandler, callback_methods: Mapping[str, Method], observer: RpcObserver | None
    ) -> None:
        self._methods = methods
        self._observer = observer
        self.callback_methods = callback_methods

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.service(handler_call_details)

    def refused(self, path: str, count: int) -> None:
        """Count calls that the server refused before their method was called."""
        if self._observer is not None:
            self._observer.refused(path.rpartition("/")[2], ResourceExhausted.code, count)


def service_handler(
    service: ServiceDescriptor,
    servicer: object,
    observer: RpcObserver | None = None,
    ledger: ServedLedger | None = None,
    only: Container[str] | None = None,
) -> ServiceHandler:
    """Serve `service` with the methods of `servicer`: rpc SampleStream calls `servicer.sample_stream(request, call)`.

    A streaming rpc's method is an async generator of replies. A unary one's is a coroutine that returns the reply, or a
    callback method: a plain function that gets an `Answer` as its third argument, calls it once, on the event loop, now
    or later, and returns what to call if the client leaves before, or None.
    Without an `observer` calls are not counted. `ledger` keeps what calls were served to which a proxy gave an id.
    `only` are the names of the rpcs that are served, all by default.
    """
    rpcs = [rpc for rpc in service.methods if only is None or rpc.name in only]
    methods = {rpc.name: Method.of(rpc, servicer, observer, ledger) for rpc in rpcs}
    handlers = {name: _grpc_handler(method) for name, method in methods.items()}
    generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
    callback_methods = {f"/{service.full_name}/{name}": each for name, each in methods.items() if each.is_callback}
    return ServiceHandler(generic, callback_methods, observer)


def _grpc_handler(method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    behaviour = _as_coroutine(method.behaviour) if method.is_callback else method.behaviour

    async def unary(_: object, context: Context) -> Message:
        async with open_call(method, context) as call:
            request = call.read(await read_message(context))
            response: Message = await behaviour(request, call)
            call.sent(response)
        return response

    async def stream(_: object, context: Context) -> None:
        async with open_call(method, context) as call:
            request = call.read(await read_message(context))
            async with contextlib.aclosing(behaviour(request, call)) as responses:
                async for response in responses:
                    # Before the write: a client may have the message, and leave, a moment before the write has ended.
                    call.sent(response)
                    await write(context, response)

    # Not the class's own: a method may give what only looks like a message, to write large contents without copies.
    serialize = methodcaller("SerializeToString")
    if method.is_streaming:
        return grpc.stream_stream_rpc_method_handler(stream, response_serializer=serialize)
    return grpc.stream_unary_rpc_method_handler(unary, response_serializer=serialize)


def _as_coroutine(behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callback method as a coroutine, for servers that know no other."""

    async def unary(request: Message, call: Call) -> Any:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        leave = behaviour(request, call, partial(_settle, answered))
        try:
            return await answered
        except asyncio.CancelledError:
            if leave is not None:
                leave()
            raise
        finally:
            # The traceback of an error that the future holds has this frame: a cycle, with the request.
            del answered, leave, request

    return unary


def _settle(answered: asyncio.Future[Any], result: Any) -> bool:
    if answered.done():
        return False
    if isinstance(result, BaseException):
        answered.set_exception(result)
        answered.exception()  # its caller may have gone in the same moment
    else:
        answered.set_result(result)
    return True
