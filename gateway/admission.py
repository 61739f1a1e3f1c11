"""The life of a request that does not come in by Envoy's public listeners: let in, forwarded, drained, counted once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from gateway.access.access import Access
from gateway.figures.metrics import GatewayMetrics
from gateway.identity import Identity
from gateway.upstream import Upstream
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route
from runtime.rpc.rpc import code_of
from tandem.shared.errors import DeadlineExceeded, OverBudget, TandemError, Unauthenticated, Unavailable


class Entrance:
    """Where requests of one transport come in: it knows which are under way, and ends them when the gateway stops.

    Their calls go to Envoy's listener at `socket`, and count as those of `transport`. Needs a running event loop.
    """

    def __init__(self, access: Access, metrics: GatewayMetrics, socket: Path, transport: str) -> None:
        self.access = access
        self.metrics = metrics
        self.transport = transport
        self.upstream = Upstream(socket, transport)
        self.draining = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_draining(self) -> bool:
        return self.draining.is_set()

    @contextlib.contextmanager
    def admit(self, route: Route | None = None) -> Iterator[Admission]:
        """Take a request into the current task; what ends inside before a call was sent is counted as one of `route`.

        Raises Unavailable while the gateway stops.
        """
        admission = Admission(self, route)
        try:
            if self.is_draining:
                raise Unavailable("the gateway is stopping")
            with self.hold():
                yield admission
        except BaseException as error:
            admission.end(error)
            raise

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Have a drain wait for the current task."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in a task
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def drain(self, seconds: float) -> bool:
        """Refuse new requests, let open ones finish for so long, cancel the rest; return whether none was cancelled."""
        self.draining.set()
        late = (await asyncio.wait(set(self._tasks), timeout=seconds))[1] if self._tasks else set()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    async def close(self) -> None:
        """End the channel to Envoy, and whatever runs over it."""
        await self.upstream.close()


class Admission:
    """One request: who calls, until when, and its calls, each of which costs its caller what `take` takes.

    Envoy's log has an entry for each call that was sent. A request that ended before has none, so it is counted here,
    as one of `route`; None if that is not known before it is read.
    """

    def __init__(self, entrance: Entrance, route: Route | None = None) -> None:
        self._entrance = entrance
        self.route = route
        self.identity = Identity("", "")
        self.deadline = Deadline.after(None)
        self.began_at = time.monotonic()
        self._is_counted = False

    def check(self, route: Route) -> None:
        """Raise what `take` would, and take nothing."""
        self._entrance.access.check_known(route, self.identity.caller_id)

    def take(self, route: Route) -> None:
        """Take a request from the caller's budget for a call. Raises Unauthenticated, OverBudget."""
        try:
            self._entrance.access.admit_known(route, self.identity.caller_id)
        except TandemError as error:
            self._count(route, error)
            raise

    async def unary(self, route: Route, request: bytes) -> bytes:
        """Return the reply of a unary RPC, raw. Raises UpstreamError, DeadlineExceeded."""
        self._send()
        return await self._entrance.upstream.unary(route, request, self.identity, self.deadline)

    def stream(self, route: Route, request: bytes) -> AsyncGenerator[bytes, None]:
        """Return the replies of an RPC, raw, as they come. Raises UpstreamError, DeadlineExceeded."""
        self._send()
        return self._entrance.upstream.stream(route, request, self.identity, self.deadline)

    def end(self, error: BaseException) -> None:
        """Count the request as refused with this error, if nothing else has counted it."""
        if self.route is not None and not self._is_counted:
            self._count(self.route, error)

    def _send(self) -> None:
        if self.deadline.has_passed():
            raise DeadlineExceeded("before the request could be forwarded")
        self._is_counted = True

    def _count(self, route: Route, error: BaseException) -> None:
        self._is_counted = True
        seconds, was_let_in = time.monotonic() - self.began_at, not isinstance(error, Unauthenticated | OverBudget)
        code = code_of(error, self.deadline)
        self._entrance.metrics.refused(route, self._entrance.transport, code, seconds, was_let_in)
