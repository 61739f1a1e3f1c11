"""One request of the protocol: admitted, turned into calls through Envoy, and answered. Knows no transport.

A request's parameters are those that its model takes, and those with a meaning of Triton's own. The protocol defines
none; each server defines its own. An unknown name is refused: a misspelled one would otherwise be ignored.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from gateway.admission import Admission
from gateway.http.errors import UpstreamError
from gateway.http.parsing import MAX_INLINE_BYTES, in_thread_if
from gateway.protocols.catalogue import Catalogue, Served
from gateway.protocols.fields import rename_field
from gateway.protocols.oip.models.adapter import Adapter, Calls
from gateway.protocols.oip.models.parallel_images import ParallelImageModel
from gateway.protocols.oip.models.sequential import SequentialImageModel
from gateway.protocols.oip.models.text import TextModel
from gateway.protocols.oip.tensors import VERSION, check_outputs, complete, parameter_value, read_inputs
from gateway.protocols.together import run_all
from runtime.deadlines import Deadline
from tandem.oip.grpc_service_pb2 import ModelInferRequest, ModelInferResponse
from tandem.shared.errors import InvalidArgument, NotFound


def find_model(catalogue: Catalogue, name: str, version: str) -> Adapter:
    """Return the model. Raises NotFound, and Unavailable while a backend that may have it does not serve."""
    served = catalogue.find(name)
    if version not in ("", VERSION):
        raise NotFound(version, [VERSION], "model_version")
    return _adapter(served)


def _adapter(served: Served) -> Adapter:
    if not served.is_sequential:
        return ParallelImageModel(served.described)
    if served.makes_text:
        return TextModel(served.name)
    return SequentialImageModel(served.name, served.described.image_shape)


TRANSPORT = "oip"
"""The metrics' label of what comes in by this protocol."""

Read = Callable[[Adapter], Awaitable[ModelInferRequest]]
"""Takes the model that a request is for; raises TandemError."""

TIMEOUT = "timeout"
_MAX_TIMEOUT_MICROSECONDS = 10**15
_RESERVED = frozenset(
    {"sequence_id", "sequence_start", "sequence_end", "priority", TIMEOUT, "headers", "binary_data_output"}
)
_RESERVED_PREFIX = "triton_"
"""Triton reserves these names, and its clients send some of them by themselves; most ask for nothing that there is."""


class Inference:
    """A request is read once its caller is admitted: to read a large one takes long. Its head names the model.

    A model that is not there is not counted: like a method that there is not, it belongs to no paradigm.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def infer(self, head: ModelInferRequest, read: Read, admission: Admission) -> ModelInferResponse:
        """Return the whole reply. Raises TandemError."""
        [reply] = [each async for each in self.replies(head, read, admission, is_streamed=False)]
        return reply

    async def replies(
        self, head: ModelInferRequest, read: Read, admission: Admission, is_streamed: bool
    ) -> AsyncGenerator[ModelInferResponse, None]:
        """Yield the replies to a request as they come; errors of our own RPCs name tensors. Raises TandemError."""
        model = find_model(self._catalogue, head.model_name, head.model_version)
        admission.route = model.route(is_streamed)
        admission.take(admission.route)
        request = await read(model)
        admission.deadline = _earlier(request, admission.deadline)
        calls = await in_thread_if(request.ByteSize() > MAX_INLINE_BYTES, _translate, model, request, is_streamed)
        for _ in calls.requests[1:]:  # a request that becomes several calls costs as many
            admission.take(calls.route)
        try:
            async with contextlib.aclosing(_messages(calls, admission)) as messages:
                async for found in messages:
                    parsed = [calls.route.response_class.FromString(each) for each in found]
                    reply = await in_thread_if(sum(map(len, found)) > MAX_INLINE_BYTES, calls.reply, parsed)
                    if reply is not None:
                        yield complete(reply, request, is_streamed)
        except UpstreamError as error:
            raise rename_field(error, model.fields) from error


async def _messages(calls: Calls, admission: Admission) -> AsyncGenerator[Sequence[bytes], None]:
    """Yield each message of a streaming RPC by itself, and the replies of a unary one together."""
    route, requests = calls.route, calls.requests
    if route.streaming:
        async with contextlib.aclosing(admission.stream(route, requests[0])) as messages:
            async for message in messages:
                yield [message]
    else:
        yield await run_all([admission.unary(route, each) for each in requests], at_a_time=len(requests))


def _translate(model: Adapter, request: ModelInferRequest, is_streamed: bool) -> Calls:
    inputs = read_inputs(request, model.inputs, model.max_batch_size > 0)
    parameters = read_parameters(request, model.parameters)
    return model.calls(inputs, check_outputs(request, model.outputs), parameters, is_streamed)


def read_parameters(request: ModelInferRequest, names: Collection[str]) -> Mapping[str, Any]:
    """Return the values of the parameters that are the model's, whose `names` these are; None for one without a value.

    Raises InvalidArgument for a parameter that is neither the model's nor reserved.
    """
    values = {}
    for name, parameter in request.parameters.items():
        if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
            continue
        values[name] = parameter_value(parameter)
        if name not in names:
            accepted = f"one of the parameters {', '.join(sorted(names))}"
            raise InvalidArgument(f"parameters.{name}", values[name], accepted)
    return values


def _earlier(request: ModelInferRequest, deadline: Deadline) -> Deadline:
    """Return the deadline with the request's own `timeout` in microseconds, as clients of Triton send it."""
    if TIMEOUT not in request.parameters:
        return deadline
    value = parameter_value(request.parameters[TIMEOUT])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_TIMEOUT_MICROSECONDS:
        raise InvalidArgument(f"parameters.{TIMEOUT}", value, "whole microseconds, above 0")
    return min(deadline, Deadline.after(value * 1e-6), key=lambda either: either.instant)
