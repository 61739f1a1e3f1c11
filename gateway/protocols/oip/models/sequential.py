"""Models that generate token by token: what texts and images have in common, and images.

Of an image, a stream has the tokens as they come, and the image when it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.models.adapter import ROUTES, Adapter, Calls
from gateway.protocols.oip.models.sampling_parameters import FIELD, NAMES, fill_sampling, read_parameters
from gateway.protocols.oip.tensors import BYTES, FINAL, INT32, UINT8, UINT64, Inputs, Spec, new_reply, vector
from runtime.rpc.routes import Route
from tandem.ar.v1 import ar_pb2
from tandem.oip.grpc_service_pb2 import ModelInferResponse

Reply = Callable[[Any], ModelInferResponse | None]


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

    def _calls(self, request: ar_pb2.GenerateRequest, is_streamed: bool, of_message: Reply, of_reply: Reply) -> Calls:
        message = request if is_streamed else ar_pb2.CompleteRequest(generate=request)
        reply = of_message if is_streamed else of_reply
        return Calls(self.route(is_streamed), [message.SerializeToString()], lambda replies: reply(replies[0]))


def usage_parameters(usage: Any) -> dict[str, Any]:
    """Return what a caller needs to get the same output again, or of a message before the last that it is not that."""
    return {"seed": usage.seed, "fingerprint": usage.fingerprint} if usage else {FINAL: False}


TOKEN_IDS = Spec("token_ids", INT32, (-1,))


class SequentialImageModel(SequentialModel):
    """`shape` is [height, width, channels] of an image; a reply has one for each choice."""

    platform = "tandem_sequential_images"
    inputs = (
        Spec("label", INT32, (1,)),
        Spec("seed", UINT64, (1,), is_optional=True),
        Spec(FIELD, BYTES, (1,), is_optional=True),
    )
    fields = {"sampling.seed": "seed", "sampling": FIELD, "class_label": "label"}

    def __init__(self, name: str, shape: Sequence[int]) -> None:
        super().__init__(name)
        self._images = Spec("images", UINT8, (-1, *shape))
        self.outputs = (self._images, TOKEN_IDS)

    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        request = self._request(inputs, parameters, class_label=inputs["label"].values[0])
        if "seed" in inputs:
            request.sampling.seed = inputs["seed"].values[0]
        return self._calls(request, is_streamed, self._of_message, self._of_reply)

    def _of_reply(self, reply: Any) -> ModelInferResponse:
        shape = [len(reply.choices), *self._images.dims[1:]]
        images = (self._images, shape, b"".join(choice.image.data for choice in reply.choices))
        tokens = vector(TOKEN_IDS, [token for choice in reply.choices for token in choice.token_ids])
        return new_reply([images, tokens], **usage_parameters(reply.usage))

    def _of_message(self, message: Any) -> ModelInferResponse | None:
        usage = message.usage if message.HasField("usage") else None
        if not (message.token_ids or message.HasField("image") or usage):
            return None
        outputs = [vector(TOKEN_IDS, message.token_ids)]
        if message.HasField("image"):
            outputs.append((self._images, message.image.shape, message.image.data))
        return new_reply(outputs, choice=message.choice_index, **usage_parameters(usage))
