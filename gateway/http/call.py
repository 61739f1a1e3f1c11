"""One call that came over HTTP: its deadline, and its end, which becomes the reply's last words."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from gateway.http.errors import error_body, error_headers, http_status
from gateway.http.exchange import HttpExchange
from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, Internal, TandemError
from runtime.routes import Route
from runtime.rpc import code_of

logger = logging.getLogger(__name__)

# The backend ends a request at its deadline; this one is for a client that does not read what it is sent.
GRACE_SECONDS = 0.1


class Cancelled(TandemError):
    """Expected error: the client left, or the gateway stops and does not wait longer."""

    code = "CANCELLED"


class DoorObserver(Protocol):
    """Told of each call that ended at the door: Envoy has not seen it, so its log has no entry for it."""

    def refused(self, route: Route, transport: str, code: str, seconds: float, admitted: bool) -> None: ...


class HttpCall:
    """A call as a context: however it is left, the client is told, and the observer if nobody else knows of it.

    `reply` is that of a unary call. `admitted` says whether the caller was let in.
    """

    def __init__(self, route: Route, exchange: HttpExchange, observer: DoorObserver) -> None:
        self.route = route
        self.exchange = exchange
        self.reply: dict[str, Any] = {}
        self.admitted = False
        self.deadline = Deadline.after(None)
        self._observer = observer
        self._began_at = time.monotonic()
        self._is_forwarded = False

    async def body(self) -> bytes:
        """Return the body; clock and deadline start when it is here. Raises TandemError."""
        seconds = self.exchange.timeout_seconds()
        self.deadline = Deadline.after(seconds)
        body = await self.exchange.body()
        self._began_at = time.monotonic()
        return body

    def forward(self) -> float | None:
        """Hand the call over to Envoy, whose log tells of its end from here on; return the seconds left for it.

        Raises DeadlineExceeded.
        """
        if self.deadline.has_passed():
            raise DeadlineExceeded("before the request could be forwarded")
        self._is_forwarded = True
        seconds = self.deadline.remaining_seconds()
        return None if math.isinf(seconds) else seconds

    @contextlib.asynccontextmanager
    async def while_wanted(self) -> AsyncIterator[None]:
        """Cancel what runs inside when the client leaves; raise DeadlineExceeded when the deadline passes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        gone = asyncio.create_task(self.exchange.client_gone())
        gone.add_done_callback(lambda _: task.cancel() if not gone.cancelled() else None)
        seconds = self.deadline.remaining_seconds() + GRACE_SECONDS
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                yield
        except TimeoutError:
            raise DeadlineExceeded("before the reply was through") from None
        finally:
            gone.cancel()

    async def __aenter__(self) -> HttpCall:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not self._is_forwarded:
            code, seconds = code_of(error, self.deadline), time.monotonic() - self._began_at
            self._observer.refused(self.route, "http", code, seconds, self.admitted)
        if error is None:
            await self._finish()
        else:
            await self._refuse(self._public(error))
        return True

    def _public(self, error: BaseException) -> TandemError:
        """Return what the client may know of `error`; the log gets the rest."""
        if isinstance(error, TandemError):
            return error
        if isinstance(error, asyncio.CancelledError):
            return Cancelled("the request was cancelled, and its work stopped")
        logger.error("%s failed", self.route.path, exc_info=error)
        return Internal()

    async def _finish(self) -> None:
        if self.route.streaming:
            await self.exchange.end_lines({"end": {}})
        else:
            await self.exchange.reply(200, self.reply)

    async def _refuse(self, error: TandemError) -> None:
        body = error_body(error)
        if self.exchange.has_begun:
            await self.exchange.end_lines(body)
        else:
            await self.exchange.reply(http_status(error), body, error_headers(body))
