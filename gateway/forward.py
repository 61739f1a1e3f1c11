"""The application layer: door -> permit -> deadline -> backend -> forward -> observe. Raw bytes in, raw bytes out.

Knows no transport: it is told a route, the request's bytes, who the door let in, and a deadline, and raises
runtime.errors.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping

import grpc

from gateway.backend import Backend
from gateway.door import Caller
from gateway.metrics import GatewayMetrics
from gateway.observation import Observation
from gateway.permits import Permits
from gateway.replica import Replica
from gateway.upstream_error import UpstreamError, upstream_error
from runtime.deadlines import Deadline
from runtime.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from runtime.routes import Route, modality_of
from runtime.rpc import parse
from runtime.undisturbed import undisturbed

MAX_RETRIES = 2
# A server that stops cancels the calls that it has not begun. When we cancel one, no status is waited for.
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Forwarder:
    """Forwards requests to the backends, keyed by paradigm, as the permits, keyed likewise, allow."""

    def __init__(
        self, backends: Mapping[str, Backend], permits: Mapping[str, Permits], metrics: GatewayMetrics
    ) -> None:
        self._backends = backends
        self._permits = permits
        self._metrics = metrics

    async def unary(
        self, route: Route, request: bytes, caller: Caller, deadline: Deadline, observation: Observation
    ) -> bytes:
        """Return the one response. Raises TandemError."""
        with self._admitted(route, request, deadline, observation) as tries:
            while True:
                try:
                    with tries.next_replica() as replica:
                        response: bytes = await replica.call(route, request, tries.timeout_seconds(), caller.metadata)
                except grpc.aio.AioRpcError as error:
                    tries.failed(error)
                    continue
                observation.heard()
                caller.charge(route, *observation.forwarded(response, time.monotonic()))
                return response

    async def stream(
        self, route: Route, request: bytes, caller: Caller, deadline: Deadline, observation: Observation
    ) -> AsyncGenerator[bytes, None]:
        """Yield the responses; the next one is read when the last one was taken. Raises TandemError.

        Close the iterator (contextlib.aclosing) to cancel upstream at once.
        """
        with self._admitted(route, request, deadline, observation) as tries:
            while True:
                try:
                    with tries.next_replica() as replica:
                        call = replica.call(route, request, tries.timeout_seconds(), caller.metadata)
                        try:
                            while (response := await undisturbed(call.read(), call.cancel)) is not grpc.aio.EOF:
                                arrived_at = time.monotonic()
                                tries.may_repeat = False
                                yield response
                                caller.charge(route, *observation.forwarded(response, arrived_at))
                        finally:
                            call.cancel()  # no effect on a call that has ended
                except grpc.aio.AioRpcError as error:
                    tries.failed(error)
                    continue
                observation.heard()
                return

    @contextlib.contextmanager
    def _admitted(self, route: Route, request: bytes, deadline: Deadline, observation: Observation) -> Iterator[_Tries]:
        backend = self._backends[route.paradigm]
        asked = parse(route.request_class, request)
        observation.model = backend.label_of(route.model_of(asked), modality_of(asked))
        try:
            with self._permits[route.paradigm].take():
                yield _Tries(backend, deadline, observation, self._metrics)
        except ResourceExhausted:
            self._metrics.shed(route.paradigm, "gateway_full")
            raise
        except UpstreamError as error:
            if error.code == ResourceExhausted.code:
                self._metrics.shed(route.paradigm, "backend_full")
            raise
        if deadline.has_passed():
            raise DeadlineExceeded("while the reply was on its way")


class _Tries:
    """The tries of one request: which replica is next, and whether another try is allowed."""

    def __init__(self, backend: Backend, deadline: Deadline, observation: Observation, metrics: GatewayMetrics) -> None:
        self.may_repeat = True
        self._backend = backend
        self._deadline = deadline
        self._observation = observation
        self._metrics = metrics
        self._tried: list[Replica] = []

    @contextlib.contextmanager
    def next_replica(self) -> Iterator[Replica]:
        """Hold the replica for the next try. Raises Unavailable, DeadlineExceeded."""
        if self._deadline.has_passed():
            raise DeadlineExceeded("before the request could be forwarded")
        replica = self._backend.pick(self._tried)
        self._tried.append(replica)
        self._observation.asked()
        with replica.busy():
            yield replica

    def timeout_seconds(self) -> float | None:
        """Return the time that upstream has, None if the caller set none."""
        seconds = self._deadline.remaining_seconds()
        return None if math.isinf(seconds) else seconds

    def failed(self, error: grpc.aio.AioRpcError) -> None:
        """Return if the request may be tried again, else raise what the client shall see."""
        self._observation.heard()
        replica = self._tried[-1]
        if self._may_try_again(error):
            self._metrics.retried(self._backend.paradigm)
            return
        where = f"{self._backend.paradigm} backend at {replica.target}"
        is_lost = error.code() is grpc.StatusCode.UNAVAILABLE and not replica.is_connected
        if is_lost or error.code() is grpc.StatusCode.CANCELLED:
            raise UpstreamError(Unavailable.code, f"{where} went away during the request") from error
        raise upstream_error(error, where) from error

    def _may_try_again(self, error: grpc.aio.AioRpcError) -> bool:
        return (
            error.code() in _GONE
            and self.may_repeat
            and len(self._tried) <= MAX_RETRIES
            and self._backend.is_serving
            and not self._deadline.has_passed()
        )
