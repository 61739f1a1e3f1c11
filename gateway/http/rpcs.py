"""Every RPC of the table at POST /<service>/<rpc>, JSON in and out; Envoy carries the calls, as it does those of gRPC.

A unary RPC answers with its message. A streaming one answers with lines (NDJSON), as they come: {"result": message},
and last {"end": {}} or {"error": {...}}; a stream without a last line was torn. What
fails before its first message has the status and the body of its error. The deadline is the header grpc-timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from gateway.access.access import Access
from gateway.access.api_keys import bearer
from gateway.figures.log_entry import timeout_seconds
from gateway.figures.metrics import GatewayMetrics
from gateway.http.exchange import Exchange
from gateway.http.in_thread import MAX_INLINE_BYTES, in_thread_if
from gateway.http.json_messages import plain
from gateway.http.parsing import JsonParser
from gateway.identity import Identity
from gateway.upstream import Upstream
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route, all_routes
from runtime.rpc.rpc import code_of
from tandem.shared.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    PermissionDenied,
    TandemError,
    Unavailable,
    shown,
)

logger = logging.getLogger(__name__)

TRANSPORT = "http"
"""The metrics' label of JSON requests."""


class Cancelled(TandemError):
    """Expected error: the client left, or the gateway stops and does not wait longer."""

    code = "CANCELLED"


class _Call(NamedTuple):
    """What Envoy is asked for."""

    request: bytes
    identity: Identity
    deadline: Deadline


class Rpcs:
    """Serves the table of routes by calls to Envoy's listener at the socket `upstream`; needs a running event loop.

    A request that ends before it reaches Envoy has no entry in its log, so `metrics` count it here.
    """

    def __init__(self, access: Access, upstream: Path, metrics: GatewayMetrics) -> None:
        self._access = access
        self._upstream = Upstream(upstream, TRANSPORT)
        self._parser = JsonParser()
        self._metrics = metrics
        self._is_draining = False
        self._open: set[asyncio.Task[Any]] = set()

    def http_routes(self) -> list[HttpRoute]:
        """Return one HTTP route for each RPC."""
        return [HttpRoute(route.path, _Endpoint(self, route), methods=["POST"]) for route in all_routes()]

    async def drain(self, seconds: float) -> bool:
        """Refuse new calls, let open ones finish for so long, then cancel them; return whether none was cancelled."""
        self._is_draining = True
        late = (await asyncio.wait(self._open, timeout=seconds))[1] if self._open else set()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    async def close(self) -> None:
        """End the channel to Envoy, and whatever runs over it."""
        await self._upstream.close()

    async def serve(self, route: Route, exchange: Exchange) -> None:
        """Answer one request, in a task of its own; however it ends, the client gets a reply."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        self._open.add(task)
        try:
            await self._forward(route, exchange, await self._let_in(route, exchange))
        except TandemError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            await exchange.refuse(Cancelled("the request was cancelled, and its work stopped"))
        except Exception:
            logger.exception("%s failed", route.path)
            await exchange.refuse(Internal())
        finally:
            self._open.discard(task)

    async def _let_in(self, route: Route, exchange: Exchange) -> _Call:
        """Return what to ask Envoy for. The clock starts when the body is here."""
        began_at, admitted, deadline = time.monotonic(), False, Deadline.after(None)
        try:
            if self._is_draining:
                raise Unavailable("the gateway is stopping")
            caller = self._access.admit(route, bearer(exchange.headers.getlist("authorization")))
            admitted = True
            identity = Identity.of_headers(caller.identifier, exchange.headers)
            check_origin(exchange.headers)
            deadline = deadline_of(exchange.headers)
            body = await exchange.body()
            began_at = time.monotonic()
            async with exchange.while_wanted(deadline):
                request = await self._parser.parse(identity.caller, route.request_class, body)
            if deadline.has_passed():
                raise DeadlineExceeded("before the request could be forwarded")
        except BaseException as error:
            self._metrics.refused(route, TRANSPORT, code_of(error, deadline), time.monotonic() - began_at, admitted)
            raise
        return _Call(request, identity, deadline)

    async def _forward(self, route: Route, exchange: Exchange, call: _Call) -> None:
        content: dict[str, Any] = {}
        replies = self._upstream.stream(route, call.request, call.identity, call.deadline)
        async with exchange.while_wanted(call.deadline), contextlib.aclosing(replies):
            async for reply in replies:
                content = await _as_plain(route, reply)
                if route.streaming:
                    await exchange.line({"result": content})
        if route.streaming:
            await exchange.line({"end": {}}, is_last=True)
        else:
            await exchange.reply(content)


class _Endpoint:
    """An RPC as an ASGI application."""

    def __init__(self, rpcs: Rpcs, route: Route) -> None:
        self._rpcs = rpcs
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._rpcs.serve(self._route, Exchange(scope, receive, send))


def check_origin(headers: Headers) -> None:
    """Raise PermissionDenied if a browser says that another web site made the request; other clients say nothing.

    A gateway on loopback is within reach of every page that its user's browser opens.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        accepted = "this server's own page, or no browser"
        raise PermissionDenied(f"origin: {shown(origin)} is not accepted; accepted: {accepted}")
    if site is not None and site != "same-origin":
        raise PermissionDenied(f"sec-fetch-site: {shown(site)} is not accepted; accepted: 'same-origin'")


def deadline_of(headers: Headers) -> Deadline:
    """Return the deadline in the header grpc-timeout. Raises InvalidArgument."""
    value = headers.get("grpc-timeout")
    seconds = None if value is None else timeout_seconds(value)
    if value is not None and seconds is None:
        raise InvalidArgument("grpc-timeout", value, "1 to 8 digits and a unit: H, M, S, m, u or n")
    return Deadline.after(seconds)


async def _as_plain(route: Route, response: bytes) -> dict[str, Any]:
    return await in_thread_if(len(response) > MAX_INLINE_BYTES, plain, route.response_class, response)
