"""What models that generate token by token have in common, whether texts or images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.models.adapter import ROUTES, Adapter, Calls
from gateway.protocols.oip.models.sampling_parameters import FIELD, NAMES, fill_sampling, read_parameters
from gateway.protocols.oip.tensors import InferenceResult, Inputs
from runtime.rpc.routes import Route
from tandem.ar.v1 import ar_pb2

Result = Callable[[Sequence[Any]], InferenceResult | None]


class SequentialModel(Adapter):
    """A base of adapters: Generate answers what is streamed, Complete all else."""

    is_decoupled = True
    max_batch_size = 0
    parameters = NAMES

    def __init__(self, name: str) -> None:
        self.name = name

    def route(self, is_streamed: bool) -> Route:
        return ROUTES["Generate" if is_streamed else "Complete"]

    def _request(self, inputs: Inputs, parameters: Mapping[str, Any], **prompt: Any) -> ar_pb2.GenerateRequest:
        """Return a request with its sampling, of which the tensor counts where the parameters say it, too."""
        request = ar_pb2.GenerateRequest(model=self.name, **prompt)
        in_tensor = read_parameters(inputs[FIELD].values[0]) if FIELD in inputs else {}
        fill_sampling(request, {**parameters, **in_tensor})
        return request

    def _calls(self, request: ar_pb2.GenerateRequest, is_streamed: bool, of_message: Result, of_reply: Result) -> Calls:
        message = request if is_streamed else ar_pb2.CompleteRequest(generate=request)
        result = of_message if is_streamed else of_reply
        return Calls(self.route(is_streamed), [message.SerializeToString()], result, request.logprobs)


def usage_parameters(usage: Any) -> dict[str, str | int]:
    """Return what a caller needs to get the same output again."""
    return {"seed": usage.seed, "fingerprint": usage.fingerprint}
