"""The messages of a call as raw bytes: read within bounds of time and size, parsed, written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import grpc

from runtime.limits import MAX_MESSAGE_BYTES
from tandem.shared.errors import DeadlineExceeded, InvalidArgument, MessageTooLarge

MESSAGE_TIMEOUT_SECONDS = 2.0
CANCELLATION_DELAY_SECONDS = 0.05

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
T = TypeVar("T")


class ManyMessages(grpc.GenericRpcHandler):
    """A service whose methods take any number of messages; those of every other take exactly one."""

    def __init__(self, service: str, methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._methods = {f"/{service}/{name}": method for name, method in methods.items()}
        self.paths = tuple(self._methods)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._methods.get(handler_call_details.method)


async def read_message(context: Context) -> bytes:
    """Return the call's one request message, raw. Raises InvalidArgument, DeadlineExceeded, MessageTooLarge.

    A message far above the limit is refused by grpc's core; such a call is cancelled.
    """
    message = await next_message(context)
    if message is None:
        # A call that the client cancelled reads as ended too, a moment before its task is cancelled.
        await asyncio.sleep(CANCELLATION_DELAY_SECONDS)
        raise InvalidArgument("request", "no message", "exactly one message")
    return message


async def next_message(context: Context) -> bytes | None:
    """Return the call's next request message, raw, None at the end. Raises DeadlineExceeded, MessageTooLarge."""
    if getattr(context, "has_message", False):  # as most calls of our own server have; a timer costs more than reading
        message = await context.read()
    else:
        message = await _awaited_message(context)
    if message is grpc.aio.EOF:
        return None
    if len(message) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(len(message), MAX_MESSAGE_BYTES)
    return message  # type: ignore[no-any-return]


async def _awaited_message(context: Context) -> Any:
    try:
        async with asyncio.timeout(MESSAGE_TIMEOUT_SECONDS):
            return await context.read()
    except TimeoutError:
        raise DeadlineExceeded(f"waiting {MESSAGE_TIMEOUT_SECONDS:g} s for the request message") from None


async def write(context: Context, response: Any) -> None:
    """Send one message of a stream. A caller that is not there any more has cancelled the call: CancelledError."""
    if getattr(context, "has_whole_writes", False):  # our own server's: cancelled, they lose nothing
        await context.write(response)
        return
    with cancelled_by_client():
        await undisturbed(context.write(response))


@contextlib.contextmanager
def cancelled_by_client() -> Iterator[None]:
    """Raise CancelledError in place of grpc's own error for what is sent to a client that has gone."""
    try:
        yield
    except grpc.aio.InternalError:  # a moment before it cancels the handler
        raise asyncio.CancelledError from None


async def undisturbed(operation: Coroutine[Any, Any, T], end_call: Callable[[], object] | None = None) -> T:
    """Return what a gRPC operation returns. When cancelled, call `end_call` at once and re-raise after its end.

    A read or write of grpc.aio that is cancelled before it is complete leaks some hundred bytes of native memory
    (grpcio 1.85: measured 640 bytes a cancelled stream in a bare proxy, 40 with this). So a cancellation ends the call,
    lets the operation come to its own end, which then is immediate, and only then goes on.
    Without `end_call`, the operation must end by itself when the task is cancelled: as one of the server's side does.
    """
    task = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if end_call is not None:
            end_call()
        await asyncio.gather(task, return_exceptions=True)
        raise
