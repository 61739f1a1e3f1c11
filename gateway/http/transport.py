"""Every RPC of the table at POST /<service>/<rpc>, JSON in and out; Envoy carries the calls, as it does those of gRPC.

A unary RPC answers with its message. A streaming one answers with lines (NDJSON), as they come: {"result": message},
and last {"end": {}} or {"error": {...}}; a stream without a last line was torn. What
fails before its first message has the status and the body of its error. The deadline is the header grpc-timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from gateway.access.access import Caller
from gateway.access.api_keys import bearer
from gateway.access.door import Door
from gateway.http.call import DoorObserver, HttpCall
from gateway.http.exchange import HttpExchange
from gateway.http.guard import check_origin
from gateway.http.json_messages import plain
from gateway.http.parsing import JsonParser
from gateway.http.upstream import Metadata, Upstream
from gateway.proxy.headers import PEER
from runtime.caller import CALLER_METADATA
from runtime.errors import Unavailable
from runtime.routes import Route, all_routes

# A larger reply is turned into JSON in a thread, so that the event loop goes on.
MAX_INLINE_BYTES = 16 * 1024


class HttpTransport:
    """Serves the table of routes through `upstream` until it is drained."""

    def __init__(self, door: Door, upstream: Upstream, parser: JsonParser, observer: DoorObserver) -> None:
        self._door = door
        self._upstream = upstream
        self._parser = parser
        self._observer = observer
        self._is_draining = False
        self._calls: set[asyncio.Task[None]] = set()

    def http_routes(self) -> list[HttpRoute]:
        """Return one HTTP route for each RPC."""
        return [HttpRoute(route.path, _Endpoint(self, route), methods=["POST"]) for route in all_routes()]

    async def drain(self, seconds: float) -> bool:
        """Refuse new calls, let open ones finish for so long, then cancel them; return whether none was cancelled."""
        self._is_draining = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=seconds)
        late = list(self._calls)
        for call in late:
            call.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    async def serve(self, route: Route, exchange: HttpExchange) -> None:
        """Answer one request in a task of its own, which ends early if the client leaves."""
        call = asyncio.create_task(self._answer(HttpCall(route, exchange, self._observer)))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            await asyncio.wait([call])
        finally:
            call.cancel()  # no effect on one that has ended
        await call

    async def _answer(self, call: HttpCall) -> None:
        async with call:
            if self._is_draining:
                raise Unavailable("the gateway is stopping")
            headers = call.exchange.headers
            caller = self._door.admit(call.route, bearer(headers.getlist("authorization")))
            call.admitted = True
            check_origin(headers)
            body = await call.body()
            async with call.while_wanted():
                request = await self._parser.parse(call.route.request_class, body)
                await self._forward(call, request, _metadata(caller, headers.get(PEER)))

    async def _forward(self, call: HttpCall, request: bytes, metadata: Metadata) -> None:
        seconds = call.forward()
        if call.route.streaming:
            await _lines(call, self._upstream.stream(call.route, request, metadata, seconds))
        else:
            reply = await self._upstream.unary(call.route, request, metadata, seconds)
            call.reply = await _as_plain(call.route, reply)


class _Endpoint:
    """An RPC as an ASGI application."""

    def __init__(self, transport: HttpTransport, route: Route) -> None:
        self._transport = transport
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._transport.serve(self._route, HttpExchange(scope, receive, send))


async def _lines(call: HttpCall, replies: AsyncGenerator[bytes, None]) -> None:
    """Send each reply as a line; ends the call when this is left."""
    async with contextlib.aclosing(replies):
        async for reply in replies:
            await call.exchange.line({"result": await _as_plain(call.route, reply)})


def _metadata(caller: Caller, peer: str | None) -> Metadata:
    """Return how backends tell callers apart: by their key, or else by the address that Envoy saw."""
    if caller.identifier:
        return ((CALLER_METADATA, caller.identifier),)
    return ((PEER, peer),) if peer else ()


async def _as_plain(route: Route, response: bytes) -> dict[str, Any]:
    if len(response) <= MAX_INLINE_BYTES:
        return plain(route.response_class, response)
    return await asyncio.to_thread(plain, route.response_class, response)
