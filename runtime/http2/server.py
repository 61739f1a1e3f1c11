"""Serves grpc.aio's handlers from the compiled server: each call is a task of the event loop."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import logging
import time
from collections.abc import Iterable
from typing import Any

import grpc

from runtime.errors import ResourceExhausted
from runtime.http2.context import Http2Context
from runtime.http2.events import Event, Kind, events_in
from runtime.http2.library import Library, Limits, default_limits
from runtime.http2.metadata import trailers
from runtime.rpc import status_details

_BUSY_RETRY_SECONDS = 0.1

logger = logging.getLogger(__name__)

# Longer than what server.cpp lets in after the notice that the server ends, and what it takes to announce a call.
_NOTICE_SECONDS = 0.2


class Http2Server:
    """Implements `runtime.server.Transport` over plain HTTP/2."""

    def __init__(self, library: Library, limits: Limits | None = None) -> None:
        self._library = library
        self._limits = limits or default_limits()
        self._handlers: tuple[grpc.GenericRpcHandler, ...] = ()
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any] | None] = {}
        self._contexts: dict[int, Http2Context] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._server = 0
        self._descriptor = -1

    async def start(self, host: str, port: int, handlers: Iterable[grpc.GenericRpcHandler]) -> int:
        """Bind, take calls from now on, and return the port. Raises OSError."""
        self._handlers = tuple(handlers)
        listener = self._library.listen(host.strip("[]").encode(), port)
        if listener < 0:
            raise OSError(ctypes.get_errno() or errno.EADDRNOTAVAIL, "cannot listen")
        bound: int = self._library.port(listener)
        busy = _busy_trailers(self._limits.max_unbegun_calls)
        self._server = self._library.open(listener, self._limits, busy, len(busy))
        self._descriptor = self._library.descriptor(self._server)
        asyncio.get_running_loop().add_reader(self._descriptor, self._take_events)
        self._library.start(self._server)
        return bound

    async def stop(self, drain_seconds: float) -> None:
        """Take no new calls, let open ones finish for `drain_seconds`, cancel the rest, and close."""
        if not self._server:
            return
        self._library.drain(self._server)
        await self._ended(drain_seconds)
        for call_id in list(self._tasks):
            self._cancel(call_id)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        server, self._server = self._server, 0
        asyncio.get_running_loop().remove_reader(self._descriptor)
        await asyncio.to_thread(self._library.stop, server)
        self._library.close(server)

    async def _ended(self, drain_seconds: float) -> None:
        """Return when no call is open, those that clients began before they knew of the end included."""
        ends_at = time.monotonic() + drain_seconds
        if self._library.num_connections(self._server):
            await asyncio.sleep(min(_NOTICE_SECONDS, drain_seconds))
        while self._tasks and (left := ends_at - time.monotonic()) > 0:
            await asyncio.wait(self._tasks.values(), timeout=left)

    # What calls send through: see context.Wire.

    def send(self, call_id: int, message: bytes) -> int:
        return self._library.send(self._server, call_id, message) if self._server else -1

    def finish(self, call_id: int, message: bytes | None, trailers: bytes) -> int:
        return self._library.finish(self._server, call_id, message, trailers) if self._server else -1

    def _take_events(self) -> None:
        for event in events_in(self._library.events(self._server)):
            if event.kind == Kind.CALL:
                self._begin(event)
            elif event.kind == Kind.CANCELLED:
                self._cancel(event.call_id)
            elif (context := self._contexts.get(event.call_id)) is not None:
                context.take(event)

    def _cancel(self, call_id: int) -> None:
        if (task := self._tasks.get(call_id)) is not None:
            # The context first: who is in the middle of a write lets it come to its end before being cancelled.
            self._contexts[call_id].leave()
            task.cancel()

    def _begin(self, event: Event) -> None:
        method = self._method(event.path)
        if method is None:
            code = grpc.StatusCode.UNIMPLEMENTED
            self.finish(event.call_id, None, trailers(code.value[0], "Method not found!"))
            return
        context = Http2Context(event, self, method.response_serializer)
        self._contexts[event.call_id] = context
        task = asyncio.get_running_loop().create_task(_run(method, context))
        self._tasks[event.call_id] = task
        task.add_done_callback(lambda _: self._end(event.call_id))

    def _end(self, call_id: int) -> None:
        del self._tasks[call_id], self._contexts[call_id]

    def _method(self, path: str) -> grpc.RpcMethodHandler[Any, Any] | None:
        if path in self._methods:
            return self._methods[path]
        details = _Details(path)
        found = next(filter(None, (handler.service(details) for handler in self._handlers)), None)
        if found is not None:  # what is unknown is not kept: a client could ask for any number of names
            self._methods[path] = found
        return found


def _busy_trailers(max_calls: int) -> bytes:
    """Return how the server refuses a call that Python does not even hear of."""
    error = ResourceExhausted("the queue of calls that the server has not begun", max_calls, _BUSY_RETRY_SECONDS)
    return trailers(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], str(error), status_details(error).items())


class _Details(grpc.HandlerCallDetails):
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


async def _run(method: Any, context: Http2Context) -> None:
    try:
        if method.response_streaming:
            await method.stream_stream(None, context)
            context.finish(grpc.StatusCode.OK)
        else:
            context.finish(grpc.StatusCode.OK, reply=await method.stream_unary(None, context))
    except grpc.aio.AbortError:
        pass  # told by Http2Context.abort
    except asyncio.CancelledError:
        context.finish(grpc.StatusCode.UNAVAILABLE, "the server is stopping")  # or nobody is there to be told
        raise
    except Exception:
        logger.exception("a call failed outside its method")
        context.finish(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")
