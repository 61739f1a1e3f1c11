"""A text model in tensors, by the names of Triton's vLLM backend.

One difference from that backend: without `exclude_input_in_output` the prompt is left out of the output everywhere, so
that a text is the same through every protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.protocols.oip.models.adapter import ROUTES, Calls
from gateway.protocols.oip.models.sampling_parameters import FIELD, NAMES, fill_sampling, read_parameters
from gateway.protocols.oip.models.text_results import OUTPUTS, TextResults, Wanted
from gateway.protocols.oip.tensors.datatype import BOOL, BYTES
from gateway.protocols.oip.tensors.inputs import Inputs
from gateway.protocols.oip.tensors.spec import Spec
from runtime.rpc.routes import Route
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

_RETURNED = ("finish_reason", "cumulative_logprob", "logprobs", "num_input_tokens", "num_output_tokens")
_FLAGS = ("stream", "exclude_input_in_output", *(f"return_{name}" for name in _RETURNED))


class TextModel:
    """Implements Adapter."""

    platform = "tandem_text"
    is_decoupled = True
    max_batch_size = 0
    inputs = (
        Spec("text_input", BYTES, (1,)),
        Spec(FIELD, BYTES, (1,), is_optional=True),
        *(Spec(name, BOOL, (1,), is_optional=True) for name in _FLAGS),
    )
    outputs = OUTPUTS
    parameters = NAMES
    fields = {"sampling": FIELD, "top_logprobs": f"{FIELD}.logprobs", "text": "text_input"}

    def __init__(self, name: str) -> None:
        self.name = name

    def route(self, is_streamed: bool) -> Route:
        return ROUTES["Generate" if is_streamed else "Complete"]

    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        request = ar_pb2.GenerateRequest(model=self.name, text=_text(inputs))
        fill_sampling(request, sampling_values(inputs, parameters))
        returned = {name for name in _RETURNED if _flag(inputs, f"return_{name}") or name in wanted}
        request.logprobs |= bool(returned & {"logprobs", "cumulative_logprob"})
        prefix = b"" if _flag(inputs, "exclude_input_in_output", True) else request.text.encode()
        results = TextResults(Wanted(returned, prefix), request.sampling.n or 1)
        if is_streamed and _flag(inputs, "stream"):
            return Calls(ROUTES["Generate"], [request.SerializeToString()], results.of_message, request.logprobs)
        whole = ar_pb2.CompleteRequest(generate=request)
        return Calls(ROUTES["Complete"], [whole.SerializeToString()], results.of_reply, request.logprobs)


def sampling_values(inputs: Inputs, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a request says of sampling: in its parameters and in the tensor, which counts where both say it."""
    in_tensor = read_parameters(inputs[FIELD].values[0]) if FIELD in inputs else {}
    return {**parameters, **in_tensor}


def _text(inputs: Inputs) -> str:
    try:
        raw: bytes = inputs["text_input"].values[0]
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidArgument("text_input", raw[:40], "text in UTF-8") from None


def _flag(inputs: Inputs, name: str, default: bool = False) -> bool:
    return bool(inputs[name].values[0]) if name in inputs else default
