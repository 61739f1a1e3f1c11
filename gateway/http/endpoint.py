"""A path as an ASGI application: however a request ends that is let in, its client gets a reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gateway.access.access import Access
from gateway.access.api_keys import bearer
from gateway.admission import Admission, Entrance, Identity
from gateway.figures.log_entry import timeout_seconds
from gateway.http.exchange import Exchange
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route
from tandem.shared.errors import Internal, InvalidArgument, PermissionDenied, TandemError, shown

logger = logging.getLogger(__name__)

Serve = Callable[[Admission, Any], Awaitable[None]]
"""Takes a request and its exchange, and replies. Raises TandemError."""


class Endpoint:
    """Has `serve` answer requests by exchanges of `exchange_class`; one that is refused before counts as of `route`."""

    def __init__(
        self, entrance: Entrance, serve: Serve, route: Route | None = None, exchange_class: type[Exchange] = Exchange
    ) -> None:
        self._entrance = entrance
        self._serve = serve
        self._route = route
        self._exchange_class = exchange_class

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._exchange_class(scope, receive, send)
        try:
            with self._entrance.admit(self._route) as admission:
                admission.identity = identify(self._entrance.access, exchange.headers)
                check_origin(exchange.headers)
                admission.deadline = deadline_of(exchange.headers)
                await self._serve(admission, exchange)
        except TandemError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            await exchange.refuse(exchange.cancellation(self._entrance.is_draining))
        except Exception:
            logger.exception("%s failed", scope["path"])
            await exchange.refuse(Internal())


def identify(access: Access, headers: Headers) -> Identity:
    """Return who calls. Raises Unauthenticated."""
    caller = access.identify(bearer(headers.getlist("authorization")))
    return Identity.of_headers(caller.identifier, headers)


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
