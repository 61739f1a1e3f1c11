"""Serves handlers from the compiled server: a call of a callback method is called back, any other is a task."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Iterable
from ctypes import c_uint64, string_at
from typing import Any

import grpc

from runtime.deadlines import Deadline
from runtime.http2.build import Finished, Limits
from runtime.http2.cached_refusals import CachedRefusals, Capacity
from runtime.http2.context import Http2Context
from runtime.http2.events import Event, Flag, Kind, decode_metadata, events_in, trailers
from runtime.http2.library import Functions, default_limits
from runtime.rpc.call import CallbackCall, End, Method
from runtime.rpc.message import ManyMessages
from runtime.rpc.rpc import ServiceHandler
from runtime.rpc.status import status_details
from tandem.shared.errors import Internal, ResourceExhausted

UNIX = "unix:"

_BACKLOG = 1024
_PASSIVE = socket.AI_PASSIVE | socket.AI_NUMERICSERV
_INTERNAL = str(Internal())

logger = logging.getLogger(__name__)

STOPPING = "the server is stopping"
"""The message of calls that are still open when the time of a stop is over; their status is UNAVAILABLE."""

# Copying more than this takes long enough to let other threads of Python run meanwhile.
_LARGE_BYTES = 256 << 10
# Taken at a time: those that are not can still be refused by the server's thread.
_MAX_CALLS = 64
# Longer than what server.cpp lets in after the notice that the server ends, and what it takes to announce a call.
_NOTICE_SECONDS = 0.2


class Http2Server:
    """A transport of `runtime.server.server` over plain HTTP/2."""

    def __init__(self, functions: Functions, limits: Limits | None = None) -> None:
        self._quick, self._slow = functions
        self._limits = limits or default_limits()
        self._handlers: tuple[grpc.GenericRpcHandler, ...] = ()
        self._methods: dict[str, grpc.RpcMethodHandler[Any, Any] | None] = {}
        self._callback_methods: dict[str, Method] = {}
        self._callback_calls: dict[int, CallbackCall] = {}
        self._callbacks_ended: asyncio.Future[None] | None = None  # while somebody waits for that
        self._contexts: dict[int, Http2Context] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._cached_refusals = CachedRefusals(self._num_unbegun, self._set_capacity)
        # Since the event loop last went round: id, last message if there is one, and trailers of each.
        self._finished: list[tuple[int, bytes | None, bytes]] = []
        self._server = 0
        self._descriptor = -1

    async def start(self, host: str, port: int, handlers: Iterable[grpc.GenericRpcHandler]) -> int:
        """Bind, take calls from now on, and return the port; `host` may be unix:PATH, without one. Raises OSError."""
        self._handlers = tuple(handlers)
        for handler in self._handlers:
            if isinstance(handler, ServiceHandler):
                self._callback_methods |= handler.callback_methods
        with _listener(host, port) as listener:
            bound = 0 if listener.family == socket.AF_UNIX else int(listener.getsockname()[1])
            descriptor = listener.detach()  # the server's from now on
        busy = _full("the queue of calls that the server has not begun", self._limits.max_unbegun_calls, 0.1)
        unread = _full("the memory for replies that were not read", self._limits.max_unsent_bytes, 1.0)
        paths = [path for each in self._handlers if isinstance(each, ManyMessages) for path in each.paths]
        many = "".join(f"{path}\0" for path in paths).encode()
        texts = (part for text in (busy, unread, many) for part in (text, len(text)))
        self._server = self._quick.open(descriptor, self._limits, *texts)
        self._descriptor = self._quick.descriptor(self._server)
        # Kept, as to ask for it costs a system call.
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._take_events)
        self._quick.start(self._server)
        return bound

    async def stop(self, drain_seconds: float) -> None:
        """Take no new calls, let open ones finish for `drain_seconds`, cancel the rest, and close.

        A call is open until its client has let the server send all of its reply.
        """
        if not self._server:
            return
        ends_at = time.monotonic() + drain_seconds
        self._quick.drain(self._server)
        await self._ended(ends_at)
        for call_id in list(self._tasks):
            self._cancel(call_id)
        for call_id in list(self._callback_calls):
            self._cancel(call_id)
            self.finish(call_id, None, trailers(grpc.StatusCode.UNAVAILABLE.value[0], STOPPING))
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._finish()
        self._cached_refusals.close()
        server, self._server = self._server, 0
        self._loop.remove_reader(self._descriptor)
        await asyncio.to_thread(self._slow.stop, server, max(0.0, ends_at - time.monotonic()))
        self._slow.close(server)

    async def _ended(self, ends_at: float) -> None:
        """Return when no call is open, those that clients began before they knew of the end included."""
        if self._quick.connections(self._server):
            await asyncio.sleep(max(0.0, min(_NOTICE_SECONDS, ends_at - time.monotonic())))
        while (left := ends_at - time.monotonic()) > 0:
            open_calls: list[asyncio.Future[None]] = list(self._tasks.values())
            if self._callback_calls:
                self._callbacks_ended = self._loop.create_future()
                open_calls.append(self._callbacks_ended)
            if not open_calls:
                return
            await asyncio.wait(open_calls, timeout=left)

    # What calls send through: see context.Wire.

    def send(self, call_id: int, message: bytes) -> int:
        if not self._server:
            return -1
        functions = self._quick if len(message) < _LARGE_BYTES else self._slow
        return int(functions.send(self._server, call_id, message, len(message)))

    def finish(self, call_id: int, message: bytes | None, trailers: bytes) -> None:
        if not self._finished:
            self._loop.call_soon(self._finish)
        self._finished.append((call_id, message, trailers))

    def _finish(self) -> None:
        finished, self._finished = self._finished, []
        if finished and self._server:
            rows = [(call, last, 0 if last is None else len(last), end, len(end)) for call, last, end in finished]
            functions = self._quick if sum([row[2] for row in rows]) < _LARGE_BYTES else self._slow
            functions.finish(self._server, (Finished * len(rows))(*rows), len(rows))  # type: ignore[misc]

    def end(self, call_id: int, end: End, reply: bytes | None) -> None:
        """End the call of a callback method."""
        self._forget(call_id)
        own = trailers(end.status, end.details, end.trailers)
        if end.capacity_left is None:
            self.finish(call_id, reply, own)
        else:
            self.refuse_alike(call_id, own, trailers(end.status, end.details, end.cached_trailers), end.capacity_left)

    def _forget(self, call_id: int) -> CallbackCall | None:
        call = self._callback_calls.pop(call_id, None)
        if self._callbacks_ended is not None and not self._callback_calls and not self._callbacks_ended.done():
            self._callbacks_ended.set_result(None)
        return call

    def refuse_alike(self, call_id: int, trailers: bytes, cached: bytes, capacity: Capacity) -> None:
        """End a call; others like it are refused with `cached` before handlers hear of them: see cached_refusal.h."""
        texts = (part for text in (trailers, cached) for part in (text, len(text)))
        if self._server and self._quick.refuse_alike(self._server, call_id, *texts) >= 0:
            self._cached_refusals.add(call_id, capacity)

    def _num_unbegun(self) -> int:
        return int(self._quick.unbegun(self._server))

    def _set_capacity(self, call_id: int, capacity: int) -> bool:
        return bool(self._quick.set_capacity(self._server, call_id, capacity))

    def _take_events(self) -> None:
        size = c_uint64()
        records = self._quick.events(self._server, _MAX_CALLS, size)
        for event in events_in(string_at(records, size.value)):
            try:
                self._take(event)
            except Exception:  # the records behind it are other calls'
                logger.exception("an event of a call could not be taken")
                if event.kind == Kind.CALL:
                    self._contexts.pop(event.call_id, None)
                    self._forget(event.call_id)
                    self.finish(event.call_id, None, trailers(grpc.StatusCode.INTERNAL.value[0], _INTERNAL))

    def _take(self, event: Event) -> None:
        if event.kind == Kind.CALL:
            self._begin(event)
        elif event.kind == Kind.CANCELLED:
            self._cancel(event.call_id)
        elif event.kind == Kind.REFUSED:
            self._count_refused(event.path, event.number)
        elif (context := self._contexts.get(event.call_id)) is not None and not context.take(event):
            self._cancel(event.call_id)

    def _count_refused(self, path: str, count: int) -> None:
        details = _Details(path)
        for handler in self._handlers:
            if isinstance(handler, ServiceHandler) and handler.service(details) is not None:
                handler.refused(path, count)

    def _cancel(self, call_id: int) -> None:
        if (task := self._tasks.get(call_id)) is not None:
            # The context first: who is in the middle of a write lets it come to its end before being cancelled.
            self._contexts[call_id].leave()
            task.cancel()
        elif (call := self._forget(call_id)) is not None:
            call.leave()

    def _begin(self, event: Event) -> None:
        callback = self._callback_methods.get(event.path)
        if callback is not None and event.flags & Flag.HAS_MESSAGE and not event.flags & Flag.IS_TOO_LARGE:
            deadline = Deadline(event.deadline)
            call = CallbackCall(callback, decode_metadata(event.metadata), deadline, event.call_id, self.end)
            self._callback_calls[event.call_id] = call
            call.begin(event.payload)
            return
        method = self._method(event.path)
        if method is None:
            code = grpc.StatusCode.UNIMPLEMENTED
            self.finish(event.call_id, None, trailers(code.value[0], "Method not found!"))
            return
        context = Http2Context(event, self, method.response_serializer)
        self._contexts[event.call_id] = context
        task = self._loop.create_task(_run(method, context))
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


def _listener(host: str, port: int) -> socket.socket:
    address: Any
    if host.startswith(UNIX):
        family, address = socket.AF_UNIX, host.removeprefix(UNIX)
    else:
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=_PASSIVE)[0]
        except OSError:
            raise OSError(errno.EADDRNOTAVAIL, "the host has no address") from None
    is_ipv6 = family == socket.AF_INET6
    listener = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=is_ipv6)
    listener.setblocking(False)
    return listener


def _full(what: str, limit: int, retry_seconds: float) -> bytes:
    """Return the trailers with which the server's thread refuses a call by itself."""
    error = ResourceExhausted(what, limit, retry_seconds)
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
        context.finish(grpc.StatusCode.UNAVAILABLE, STOPPING)  # or the client has cancelled the call and gets nothing
        raise
    except Exception:
        logger.exception("a call failed outside its method")
        context.finish(grpc.StatusCode.INTERNAL, _INTERNAL)
