"""An image model that draws in parallel, in tensors: a batch in one request, by its first dimension.

Row i with a seed of its own is the image that `Sample` draws with that seed alone. One seed for a larger batch draws
image i from (seed, i), as `Sample` does with a count. Without the tensor, a seed may be among the parameters.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.models.adapter import ROUTES, Adapter, Calls
from gateway.protocols.oip.models.sampling_parameters import INTEGER
from gateway.protocols.oip.tensors import FP32, INT32, UINT8, UINT64, Inputs, Spec, new_reply
from runtime.rpc.routes import Route
from tandem.gan.v1 import gan_pb2
from tandem.oip.grpc_service_pb2 import ModelInferResponse
from tandem.shared.errors import InvalidArgument


class ParallelImageModel(Adapter):
    """A tandem.gan.v1.Model."""

    platform = "tandem_parallel_images"
    is_decoupled = False
    parameters = ("seed",)
    fields = {"labels": "label", "latents.values": "latents", "count": "batch"}

    def __init__(self, model: gan_pb2.Model) -> None:
        self.name = model.name
        self.max_batch_size = max(1, model.max_batch_size)
        self.inputs = (
            Spec("seed", UINT64, (1,), is_optional=True),
            Spec("label", INT32, (1,), is_optional=True),
            Spec("latents", FP32, (model.latent_dim,), is_optional=True),
        )
        self._images = Spec("images", UINT8, tuple(model.image_shape))
        self.outputs = (self._images,)

    def route(self, is_streamed: bool) -> Route:
        return ROUTES["Sample"]

    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        rows = self._rows(inputs)
        labels = list(inputs["label"].values) if "label" in inputs else []
        if "latents" in inputs:
            # A load tester fills every input: latents say all that a seed would.
            latents = gan_pb2.Latents(values=inputs["latents"].values)
            requests = [gan_pb2.SampleRequest(model=self.name, count=rows, labels=labels, latents=latents)]
        elif "seed" not in inputs or inputs["seed"].rows == 1:
            seed = inputs["seed"].values[0] if "seed" in inputs else _seed(parameters)
            requests = [gan_pb2.SampleRequest(model=self.name, count=rows, labels=labels, seed=seed)]
        else:
            seeds = inputs["seed"].values
            of_rows = labels if len(labels) == rows else labels * rows
            requests = [
                gan_pb2.SampleRequest(model=self.name, seed=seed, labels=of_rows[row : row + 1])
                for row, seed in enumerate(seeds)
            ]
        return Calls(ROUTES["Sample"], [request.SerializeToString() for request in requests], self._reply)

    def _rows(self, inputs: Inputs) -> int:
        rows = max((tensor.rows for tensor in inputs.values()), default=1)
        for name, tensor in inputs.items():
            if tensor.rows not in ((rows,) if name == "latents" else (1, rows)):
                raise InvalidArgument(f"{name}.shape", f"a batch of {tensor.rows}", f"{rows}, as of the other inputs")
        if rows > self.max_batch_size:
            raise InvalidArgument("batch", rows, f"1 to {self.max_batch_size}, the model's max_batch_size")
        return rows

    def _reply(self, replies: Sequence[Any]) -> ModelInferResponse:
        raw = b"".join([reply.images.data for reply in replies])  # of one, itself
        rows = sum(reply.images.shape[0] for reply in replies)
        seed = replies[0].seed if len(replies) == 1 else None
        images = (self._images, [rows, *self._images.dims], raw)
        return new_reply([images], fingerprint=replies[0].fingerprint, seed=seed)


def _seed(parameters: Mapping[str, Any]) -> int | None:
    """Return the seed among the parameters, None if there is none. Raises InvalidArgument."""
    if (value := parameters.get("seed")) is None:
        return None
    try:
        return int(gan_pb2.SampleRequest(seed=INTEGER.validate_python(value)).seed)
    except ValueError:
        raise InvalidArgument("parameters.seed", value, "a whole number that fits") from None
