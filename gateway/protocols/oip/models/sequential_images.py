"""An image model that draws in sequence, in tensors: the tokens as they come, the images when they are whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.models.adapter import ROUTES, Calls
from gateway.protocols.oip.models.sampling_parameters import FIELD, NAMES, fill_sampling
from gateway.protocols.oip.models.text import sampling_values
from gateway.protocols.oip.models.text_results import usage_parameters
from gateway.protocols.oip.tensors.datatype import BYTES, INT32, UINT8, UINT64
from gateway.protocols.oip.tensors.inputs import Inputs
from gateway.protocols.oip.tensors.outputs import InferenceResult, Output
from gateway.protocols.oip.tensors.spec import Spec
from runtime.rpc.routes import Route
from tandem.ar.v1 import ar_pb2

TOKEN_IDS = Spec("token_ids", INT32, (-1,))


class SequentialImageModel:
    """Implements Adapter. `shape` is [height, width, channels] of an image; a reply has one for each choice."""

    platform = "tandem_sequential_images"
    is_decoupled = True
    max_batch_size = 0
    inputs = (
        Spec("label", INT32, (1,)),
        Spec("seed", UINT64, (1,), is_optional=True),
        Spec(FIELD, BYTES, (1,), is_optional=True),
    )
    parameters = NAMES
    fields = {"sampling.seed": "seed", "sampling": FIELD, "class_label": "label"}

    def __init__(self, name: str, shape: Sequence[int]) -> None:
        self.name = name
        self._images = Spec("images", UINT8, (-1, *shape))
        self.outputs = (self._images, TOKEN_IDS)

    def route(self, is_streamed: bool) -> Route:
        return ROUTES["Generate" if is_streamed else "Complete"]

    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        request = ar_pb2.GenerateRequest(model=self.name, class_label=inputs["label"].values[0])
        fill_sampling(request, sampling_values(inputs, parameters))
        if "seed" in inputs:
            request.sampling.seed = inputs["seed"].values[0]
        if is_streamed:
            return Calls(ROUTES["Generate"], [request.SerializeToString()], self._of_message)
        whole = ar_pb2.CompleteRequest(generate=request)
        return Calls(ROUTES["Complete"], [whole.SerializeToString()], self._of_reply)

    def _of_reply(self, replies: Sequence[Any]) -> InferenceResult:
        [reply] = replies
        shape = [len(reply.choices), *self._images.dims[1:]]
        images = Output(self._images, shape, b"".join(choice.image.data for choice in reply.choices))
        tokens = Output.of(TOKEN_IDS, [token for choice in reply.choices for token in choice.token_ids])
        return InferenceResult([images, tokens], parameters=usage_parameters(reply.usage))

    def _of_message(self, replies: Sequence[Any]) -> InferenceResult | None:
        [message] = replies
        is_last = message.HasField("usage")
        if not (message.token_ids or message.HasField("image") or is_last):
            return None
        outputs = [Output.of(TOKEN_IDS, message.token_ids)]
        if message.HasField("image"):
            outputs.append(Output(self._images, message.image.shape, message.image.data))
        parameters = {"choice": message.choice_index, **(usage_parameters(message.usage) if is_last else {})}
        return InferenceResult(outputs, is_last, parameters)
