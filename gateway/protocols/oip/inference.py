"""One request of the protocol: admitted, turned into calls through Envoy, and answered. Knows no transport."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

from gateway.access.access import Access
from gateway.figures.metrics import GatewayMetrics
from gateway.http.errors import UpstreamError
from gateway.http.in_thread import MAX_INLINE_BYTES, in_thread_if
from gateway.identity import Identity
from gateway.protocols.fields import renamed
from gateway.protocols.oip.models.adapter import Adapter, Calls
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.parameters import TIMEOUT, model_parameters, plain
from gateway.protocols.oip.tensors.inputs import read_inputs
from gateway.protocols.oip.tensors.outputs import InferenceResult, response, wanted_outputs
from gateway.upstream import Upstream
from runtime.deadlines import Deadline
from runtime.rpc.routes import Route
from runtime.rpc.rpc import code_of
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse
from tandem.shared.errors import DeadlineExceeded, InvalidArgument, OverBudget, Unavailable

TRANSPORT = "oip"
"""The metrics' label of what comes in by this protocol."""

Read = Callable[[Adapter], Awaitable[ModelInferRequest]]
"""Takes the model that a request is for; raises TandemError."""

_MAX_TIMEOUT_MICROSECONDS = 10**15


class Inference:
    """A request is read once its caller is admitted: to read a large one takes long.

    One that ends before it reaches Envoy has no entry in its log, so `metrics` count it here. A model that is not there
    is not counted: like a method that there is not, it belongs to no paradigm.
    """

    def __init__(self, access: Access, repository: Repository, upstream: Upstream, metrics: GatewayMetrics) -> None:
        self._access = access
        self._repository = repository
        self._upstream = upstream
        self._metrics = metrics

    async def infer(
        self, name: str, version: str, read: Read, identity: Identity, deadline: Deadline
    ) -> tuple[Adapter, ModelInferRequest, ModelInferResponse]:
        """Return model, request and whole reply. Raises TandemError."""
        model = self._repository.find(name, version)
        with self._admitted(model.route(False), identity, deadline):
            request = await read(model)
            deadline, calls = await self._calls(model, request, identity, deadline, is_streamed=False)
        with _in_tensors(model):
            return model, request, await self._whole(request, calls, identity, deadline, is_streamed=False)

    async def infer_stream(
        self, name: str, version: str, read: Read, identity: Identity, deadline: Deadline
    ) -> AsyncGenerator[ModelInferResponse, None]:
        """Yield the replies to a stream's request as they come. Raises TandemError."""
        model = self._repository.find(name, version)
        with self._admitted(model.route(True), identity, deadline):
            request = await read(model)
            deadline, calls = await self._calls(model, request, identity, deadline, is_streamed=True)
        with _in_tensors(model):
            if not calls.route.streaming:
                yield await self._whole(request, calls, identity, deadline, is_streamed=True)
                return
            messages = self._upstream.stream(calls.route, calls.requests[0], identity, deadline)
            async with contextlib.aclosing(messages):
                async for message in messages:
                    if (result := await _result(calls, [message])) is not None:
                        yield response(request, result, is_streamed=True)

    @contextlib.contextmanager
    def _admitted(self, route: Route, identity: Identity, deadline: Deadline) -> Iterator[None]:
        """Take a request from the caller's budget; what ends inside, or is not let in, never came to Envoy."""
        began_at, is_admitted = time.monotonic(), False
        try:
            self._access.admit_known(route, identity.caller_id)
            is_admitted = True
            yield
        except BaseException as error:
            seconds, is_admitted = time.monotonic() - began_at, is_admitted and not isinstance(error, OverBudget)
            self._metrics.refused(route, TRANSPORT, code_of(error, deadline), seconds, is_admitted)
            raise

    async def _calls(
        self, model: Adapter, request: ModelInferRequest, identity: Identity, deadline: Deadline, is_streamed: bool
    ) -> tuple[Deadline, Calls]:
        """Return the deadline and the calls of a request. Raises TandemError."""
        deadline = _earlier(request, deadline)
        takes_long = request.ByteSize() > MAX_INLINE_BYTES
        calls = await in_thread_if(takes_long, _translated, model, request, is_streamed)
        for _ in calls.requests[1:]:  # a request that becomes several calls costs as many
            self._access.admit_known(calls.route, identity.caller_id)
        if deadline.has_passed():
            raise DeadlineExceeded("before the request could be forwarded")
        return deadline, calls

    async def _whole(
        self, request: ModelInferRequest, calls: Calls, identity: Identity, deadline: Deadline, is_streamed: bool
    ) -> ModelInferResponse:
        """Return what a unary RPC says, or as many of its calls as there are."""
        if len(calls.requests) == 1:
            replies = [await self._upstream.unary(calls.route, calls.requests[0], identity, deadline)]
        else:
            replies = await self._together(calls, identity, deadline)
        result = await _result(calls, replies)
        if result is None:
            raise Unavailable("the backend's reply has nothing in it")
        return response(request, result, is_streamed)

    async def _together(self, calls: Calls, identity: Identity, deadline: Deadline) -> list[bytes]:
        """Return the replies of all calls; the first that fails ends the others."""
        try:
            async with asyncio.TaskGroup() as group:
                pending = [self._upstream.unary(calls.route, each, identity, deadline) for each in calls.requests]
                tasks = [group.create_task(call) for call in pending]
        except* UpstreamError as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]


@contextlib.contextmanager
def _in_tensors(model: Adapter) -> Iterator[None]:
    """Have errors of our own RPCs name tensors."""
    try:
        yield
    except UpstreamError as error:
        raise renamed(error, model.fields) from error


async def _result(calls: Calls, replies: Sequence[bytes]) -> InferenceResult | None:
    takes_long = calls.has_many_parts and sum(map(len, replies)) > MAX_INLINE_BYTES
    parsed = [calls.route.response_class.FromString(reply) for reply in replies]
    return await in_thread_if(takes_long, calls.result, parsed)


def _translated(model: Adapter, request: ModelInferRequest, is_streamed: bool) -> Calls:
    inputs = read_inputs(request, model.inputs, model.max_batch_size > 0)
    parameters = model_parameters(request, model.parameters)
    return model.calls(inputs, wanted_outputs(request, model.outputs), parameters, is_streamed)


def _earlier(request: ModelInferRequest, deadline: Deadline) -> Deadline:
    """Return the deadline with the request's own `timeout` in microseconds, as clients of Triton send it."""
    if TIMEOUT not in request.parameters:
        return deadline
    value = plain(request.parameters[TIMEOUT])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_TIMEOUT_MICROSECONDS:
        raise InvalidArgument(f"parameters.{TIMEOUT}", value, "whole microseconds, above 0")
    own = Deadline.after(value * 1e-6)
    return min(deadline, own, key=lambda each: each.instant)
