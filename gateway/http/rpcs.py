"""Every RPC of the table at POST /<service>/<rpc>, JSON in and out; Envoy carries the calls, as it does those of gRPC.

A unary RPC answers with its message. A streaming one answers with lines (NDJSON), as they come: {"result": message},
and last {"end": {}} or {"error": {...}}; a stream without a last line was torn. What
fails before its first message has the status and the body of its error. The deadline is the header grpc-timeout.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import Any

from starlette.routing import Route as HttpRoute

from gateway.admission import Admission, Entrance
from gateway.http.endpoint import Endpoint
from gateway.http.exchange import Exchange
from gateway.http.parsing import MAX_INLINE_BYTES, JsonParser, in_thread_if, plain
from runtime.rpc.routes import Route, all_routes

TRANSPORT = "http"
"""The metrics' label of JSON requests."""


def rpc_routes(entrance: Entrance) -> list[HttpRoute]:
    """Return one HTTP route for each RPC, whose calls go through `entrance`."""
    return [
        HttpRoute(route.path, Endpoint(entrance, partial(_serve, entrance.parser, route), route), methods=["POST"])
        for route in all_routes()
    ]


async def _serve(parser: JsonParser, route: Route, admission: Admission, exchange: Exchange) -> None:
    """Answer one request. The clock starts when the body is here."""
    admission.take(route)
    body = await exchange.body()
    admission.began_at = time.monotonic()
    content: dict[str, Any] = {}
    async with exchange.while_wanted(admission.deadline):
        request = await parser.parse(admission.identity.caller, route.request_class, body)
        async with contextlib.aclosing(admission.stream(route, request)) as replies:
            async for reply in replies:
                takes_long = len(reply) > MAX_INLINE_BYTES
                content = await in_thread_if(takes_long, plain, route.response_class, reply)
                if route.streaming:
                    await exchange.line({"result": content})
    if route.streaming:
        await exchange.line({"end": {}}, is_last=True)
    else:
        await exchange.reply(content)
