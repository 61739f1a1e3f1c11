"""HTTP in front of the application layer: every RPC of the table at POST /<service>/<rpc>, JSON in and out.

A unary RPC answers with its message. A streaming one answers with lines (NDJSON), as they come: {"result": message},
and last {"end": {...}} with the gateway's figures, or {"error": {...}}; a stream without a last line was torn. What
fails before its first message has the status and the body of its error. The deadline is the header grpc-timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from gateway.answer import Answer
from gateway.api_keys import bearer
from gateway.door import Caller, Door
from gateway.forward import Forwarder
from gateway.http_errors import error_body, error_headers, http_status
from gateway.http_exchange import HttpExchange
from gateway.http_guard import check_origin
from gateway.json_messages import parse_json, plain
from gateway.metrics import GatewayMetrics
from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, TandemError, Unavailable
from runtime.routes import Route, all_routes

TRANSPORT = "http"
# A larger reply is turned into JSON in a thread, so that the event loop goes on forwarding.
MAX_INLINE_BYTES = 16 * 1024
# The backend ends a request at its deadline; this one is for a client that does not read what it is sent.
GRACE_SECONDS = 0.1


class Cancelled(TandemError):
    """Expected error: the client left, or the gateway stops and does not wait longer."""

    code = "CANCELLED"


class HttpTransport:
    """Serves the table of routes from `forwarder` until it is drained."""

    def __init__(self, door: Door, forwarder: Forwarder, metrics: GatewayMetrics) -> None:
        self._door = door
        self._forwarder = forwarder
        self._metrics = metrics
        self._is_draining = False
        self._calls: set[asyncio.Task[None]] = set()

    def http_routes(self) -> list[HttpRoute]:
        """Return one HTTP route for each RPC."""
        return [HttpRoute(route.path, _Endpoint(self, route), methods=["POST"]) for route in all_routes()]

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, let open ones finish for so long, then cancel them."""
        self._is_draining = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def serve(self, route: Route, exchange: HttpExchange) -> None:
        """Answer one request in a task of its own, which ends early if the client leaves."""
        call = asyncio.create_task(self._answer(route, exchange))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            await asyncio.wait([call])
        finally:
            call.cancel()  # no effect on one that has ended
        await call

    async def _answer(self, route: Route, exchange: HttpExchange) -> None:
        async with _Call(route, exchange, self._metrics) as call:
            if self._is_draining:
                raise Unavailable("the gateway is stopping")
            caller = call.enter(self._door)
            request = await call.request()
            async with call.while_wanted():
                await (self._stream if route.streaming else self._unary)(route, request, caller, call)

    async def _unary(self, route: Route, request: bytes, caller: Caller, call: _Call) -> None:
        response = await self._forwarder.unary(route, request, caller, call.deadline, call.observation)
        call.reply = await _as_plain(route, response)

    async def _stream(self, route: Route, request: bytes, caller: Caller, call: _Call) -> None:
        responses = self._forwarder.stream(route, request, caller, call.deadline, call.observation)
        async with contextlib.aclosing(responses):
            async for response in responses:
                await call.exchange.line({"result": await _as_plain(route, response)})


class _Endpoint:
    """An RPC as an ASGI application."""

    def __init__(self, transport: HttpTransport, route: Route) -> None:
        self._transport = transport
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._transport.serve(self._route, HttpExchange(scope, receive, send))


class _Call(Answer):
    """A call: its end becomes the reply's last words, whatever it is. `reply` is that of a unary call."""

    def __init__(self, route: Route, exchange: HttpExchange, metrics: GatewayMetrics) -> None:
        super().__init__(route, TRANSPORT, Deadline.after(None), metrics)
        self.exchange = exchange
        self.reply: dict[str, Any] = {}

    def enter(self, door: Door) -> Caller:
        """Return whose call it is. Raises Unauthenticated, OverBudget."""
        return self.admit(door, bearer(self.exchange.headers.getlist("authorization")))

    async def request(self) -> bytes:
        """Return the request message; the clock starts when it is here. Raises TandemError."""
        check_origin(self.exchange.headers)
        self.deadline = Deadline.after(self.exchange.timeout_seconds())
        body = await self.exchange.body()
        self.observation.received()
        return parse_json(self.observation.route.request_class, body).SerializeToString()

    @contextlib.asynccontextmanager
    async def while_wanted(self) -> AsyncIterator[None]:
        """Cancel what runs inside when the client leaves; raise DeadlineExceeded when the deadline passes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        gone = asyncio.create_task(self.exchange.client_gone())
        gone.add_done_callback(lambda _: task.cancel() if not gone.cancelled() else None)
        try:
            async with asyncio.timeout(self._limit_seconds()):
                yield
        except TimeoutError:
            raise DeadlineExceeded("before the reply was through") from None
        finally:
            gone.cancel()

    def _limit_seconds(self) -> float | None:
        seconds = self.deadline.remaining_seconds() + GRACE_SECONDS
        return None if math.isinf(seconds) else seconds

    async def __aenter__(self) -> _Call:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> bool:
        self.end(error)
        if error is None:
            await self._finish()
        elif isinstance(error, asyncio.CancelledError):
            await self._refuse(Cancelled("the request was cancelled, and its work stopped"))
        else:
            await self._refuse(self.public(error))
        return True

    async def _finish(self) -> None:
        if self.observation.route.streaming:
            end = {name.replace("-", "_").removeprefix("tandem_"): float(value) for name, value in self.seconds()}
            await self.exchange.end_lines({"end": end})
        else:
            await self.exchange.reply(200, self.reply, self.seconds())

    async def _refuse(self, error: TandemError) -> None:
        body = error_body(error)
        if self.exchange.has_begun:
            await self.exchange.end_lines(body)
            return
        await self.exchange.reply(http_status(error), body, (*self.seconds(), *error_headers(body)))


async def _as_plain(route: Route, response: bytes) -> dict[str, Any]:
    if len(response) <= MAX_INLINE_BYTES:
        return plain(route.response_class, response)
    return await asyncio.to_thread(plain, route.response_class, response)
