"""The life of a request that does not come in by Envoy's public listeners: let in, forwarded, drained, counted once;
and who calls and in which trace, as it is passed on to the backends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from starlette.datastructures import Headers

from gateway.access.access import Access
from gateway.figures.metrics import GatewayMetrics
from gateway.http.errors import upstream_error
from gateway.http.parsing import JsonParser
from gateway.tracing.request_trace import PARENT_METADATA, context_to_pass_on
from runtime.deadlines import Deadline
from runtime.rpc.message import undisturbed
from runtime.rpc.metadata import CALLER_METADATA, PEER_METADATA, TRACEPARENT_METADATA, Owner
from runtime.rpc.routes import Route
from runtime.rpc.status import code_of
from tandem.shared.errors import DeadlineExceeded, OverBudget, TandemError, Unauthenticated, Unavailable


class Identity(NamedTuple):
    """`caller_id` is the identifier of an API key, empty where none are asked for; `peer` is an address and port.

    `trace` is the caller's trace context, as metadata. Of the calls with one `affinity`, all go to the same replica; if
    it is empty, Envoy looks at their prompts.
    """

    caller_id: str
    peer: str
    trace: tuple[tuple[str, str], ...] = ()
    affinity: str = ""

    @property
    def caller(self) -> str:
        """Who counts as one caller, as backends have it: a key, or else an address."""
        return Owner.of(self.caller_id, self.peer)

    @classmethod
    def of_metadata(cls, metadata: Iterable[tuple[str, str | bytes]]) -> Identity:
        """Return what Envoy has set in the metadata of a call, and what its caller may."""
        pairs = tuple(metadata)
        found = {key: str(value) for key, value in pairs if key in (CALLER_METADATA, PEER_METADATA, AFFINITY_METADATA)}
        trace = context_to_pass_on(pairs, PARENT_METADATA)
        own = (found.get(CALLER_METADATA, ""), found.get(PEER_METADATA, ""))
        return cls(*own, trace, found.get(AFFINITY_METADATA, ""))

    @classmethod
    def of_headers(cls, caller_id: str, headers: Headers) -> Identity:
        """Return what Envoy has set in the headers of an HTTP request, and what its caller may."""
        trace = context_to_pass_on(headers.items(), TRACEPARENT_METADATA)
        return cls(caller_id, headers.get(PEER_METADATA, ""), trace, headers.get(AFFINITY_METADATA, ""))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that identifies a caller to backends, by key and address, its affinity and the trace."""
        affinity = self.affinity if self.affinity.isascii() and self.affinity.isprintable() else ""
        own = ((CALLER_METADATA, self.caller_id), (PEER_METADATA, self.peer), (AFFINITY_METADATA, affinity))
        return (*((key, value) for key, value in own if value), *self.trace)


AFFINITY_METADATA = "tandem-affinity"
"""Metadata key, and HTTP header, of what calls have in common that are to go to the same replica."""

TRANSPORT_METADATA = "tandem-transport"
"""Metadata key of the label `transport` in the metrics. Envoy removes it from what clients send."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),  # Envoy tries again, which knows the replicas
    ("grpc.use_local_subchannel_pool", 1),
)

TELL_SECONDS = 1.0
"""What requests that a drain cancels get to tell their clients."""

_MAX_TIMEOUT_SECONDS = 1e8
"""More than three years. grpcio ends calls with a timeout of some centuries at once."""


class Entrance:
    """Where requests of one transport come in: it knows which are under way, and ends them when the gateway stops.

    Their calls go to Envoy's listener at `socket`, and count as those of `transport`. All have one
    `parser`, which reads large bodies. Needs a running event loop.
    """

    def __init__(
        self, access: Access, metrics: GatewayMetrics, parser: JsonParser, socket: Path, transport: str
    ) -> None:
        self.access = access
        self.metrics = metrics
        self.parser = parser
        self.transport = transport
        self.channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS)
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
        """Refuse new requests, let open ones finish for so long, cancel the rest; return whether none was cancelled.

        One whose client does not read cannot tell it, and ends with its connection.
        """
        self.draining.set()
        late = (await asyncio.wait(set(self._tasks), timeout=seconds))[1] if self._tasks else set()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=TELL_SECONDS)
        return not late

    async def close(self) -> None:
        """End the channel to Envoy, and whatever runs over it."""
        await self.channel.close()


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
        call = self._send(self._entrance.channel.unary_unary(route.path), request)
        try:
            reply: bytes = await undisturbed(_reply(call), call.cancel)
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error
        return reply

    async def stream(self, route: Route, request: bytes) -> AsyncGenerator[bytes, None]:
        """Yield the replies of an RPC, raw; the next is read when the last was taken. Raises as `unary` does."""
        call = self._send(self._entrance.channel.unary_stream(route.path), request)
        try:
            while (reply := await undisturbed(call.read(), call.cancel)) is not grpc.aio.EOF:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise upstream_error(error, route.path) from error
        finally:
            call.cancel()  # no effect on a call that has ended

    def end(self, error: BaseException) -> None:
        """Count the request as refused with this error, if nothing else has counted it."""
        if self.route is not None and not self._is_counted:
            self._count(self.route, error)

    def _send(self, method: Any, request: bytes) -> Any:
        """Begin a call, of which Envoy's log knows from now on."""
        if self.deadline.has_passed():
            raise DeadlineExceeded("before the request could be forwarded")
        self._is_counted = True
        seconds = self.deadline.remaining_seconds()
        own = (TRANSPORT_METADATA, self._entrance.transport)
        timeout = seconds if seconds <= _MAX_TIMEOUT_SECONDS else None
        return method(request, timeout=timeout, metadata=(own, *self.identity.metadata()))

    def _count(self, route: Route, error: BaseException) -> None:
        self._is_counted = True
        seconds, was_let_in = time.monotonic() - self.began_at, not isinstance(error, Unauthenticated | OverBudget)
        code = code_of(error, self.deadline)
        self._entrance.metrics.record_refused(route, self._entrance.transport, code, seconds, was_let_in)


async def _reply(call: Any) -> bytes:
    reply: bytes = await call
    return reply
