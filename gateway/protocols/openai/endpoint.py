"""One request of this API from its head to its end: who it is, what is wanted, and the reply or the error."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gateway.access.access import Access
from gateway.access.api_keys import bearer
from gateway.figures.metrics import GatewayMetrics
from gateway.http.parsing import JsonParser
from gateway.http.rpcs import Cancelled, check_origin, deadline_of
from gateway.identity import Identity
from gateway.protocols.openai.calls import TRANSPORT, Calls
from gateway.protocols.openai.exchange import OpenAiExchange
from gateway.protocols.openai.requests.body import Body
from gateway.protocols.under_way import UnderWay
from gateway.upstream import Upstream
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route
from runtime.rpc.rpc import code_of
from tandem.shared.errors import Internal, OverBudget, TandemError, Unauthenticated, Unavailable

logger = logging.getLogger(__name__)

Operation = Callable[[Any, Calls, OpenAiExchange], Awaitable[None]]
"""Takes a body, or the parameters of a path, and what it needs to answer."""


@dataclass(frozen=True)
class Surroundings:
    """What all endpoints share. `metrics` counts requests that ended before any call went to Envoy."""

    access: Access
    upstream: Upstream
    metrics: GatewayMetrics
    under_way: UnderWay
    parser: JsonParser

    def identity(self, headers: Headers) -> Identity:
        """Return who calls. Raises Unauthenticated."""
        caller = self.access.identify(bearer(headers.getlist("authorization")))
        return Identity.of_headers(caller.identifier, headers)


class Endpoint:
    """One path, as an ASGI application: POST with a body of `body_class`, or GET without one.

    A request that is refused before any call counts as one of `route`, if there is one, or as its operation says.
    """

    def __init__(
        self,
        around: Surroundings,
        operation: Operation,
        route: Route | None = None,
        body_class: type[Body] | None = None,
    ) -> None:
        self._around = around
        self._operation = operation
        self._route = route
        self._body_class = body_class

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; however the request ends, the client gets a reply."""
        exchange = OpenAiExchange(scope, receive, send)
        try:
            with self._around.under_way.request():
                await self._serve(exchange)
        except TandemError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            await exchange.refuse(self._cancelled())
        except Exception:
            logger.exception("%s failed", scope["path"])
            await exchange.refuse(Internal())

    async def _serve(self, exchange: OpenAiExchange) -> None:
        began_at, deadline, calls = time.monotonic(), Deadline.after(None), None
        try:
            identity = self._around.identity(exchange.headers)
            check_origin(exchange.headers)
            deadline = deadline_of(exchange.headers)
            if self._route:  # what it costs is known when it is read; to read it costs time already
                self._around.access.check_known(self._route, identity.caller_id)
            raw = await exchange.body() if self._body_class else b""
            refused = partial(self._refused, deadline, began_at)
            calls = Calls(self._around.access, self._around.upstream, identity, deadline, refused)
            async with exchange.while_wanted(deadline):
                await self._operation(await self._asked(raw, identity, exchange), calls, exchange)
        except BaseException as error:
            route = calls.route if calls and calls.route else self._route
            if route and not (calls and calls.is_counted):
                self._refused(deadline, began_at, route, error)
            raise

    async def _asked(self, raw: bytes, identity: Identity, exchange: OpenAiExchange) -> Any:
        """Return the body, or the path's and query's parameters. Raises InvalidArgument, ResourceExhausted."""
        if self._body_class is None:
            return exchange.parameters
        return await self._around.parser.run(identity.caller, raw, self._body_class.parse, raw)

    def _refused(self, deadline: Deadline, began_at: float, route: Route, error: BaseException) -> None:
        was_let_in = not isinstance(error, Unauthenticated | OverBudget)
        seconds = time.monotonic() - began_at
        self._around.metrics.refused(route, TRANSPORT, code_of(error, deadline), seconds, was_let_in)

    def _cancelled(self) -> TandemError:
        if self._around.under_way.is_draining:
            return Unavailable("the gateway is stopping")
        return Cancelled("the request was cancelled, and its work stopped")
