"""Tensors as users of Triton's client write them, and what such a client gets."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import np_to_triton_dtype

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.fakes import GENERATE, SAMPLE
from tests.integration.gateway.protocols.backends import PICTURES, TEXT
from tests.integration.gateway.running import RunningGateway

COMPLETE = GENERATE.replace("Generate", "Complete")
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"


def tensor(name: str, array: np.ndarray[Any, Any]) -> triton.InferInput:
    found = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    found.set_data_from_numpy(array)
    return found


def text_inputs(prompt: str, sampling: dict[str, Any] | None = None, **flags: bool) -> list[triton.InferInput]:
    """Return the inputs of a text model."""
    inputs = [tensor("text_input", np.array([prompt.encode()], np.object_))]
    if sampling is not None:
        inputs.append(tensor("sampling_parameters", np.array([json.dumps(sampling).encode()], np.object_)))
    return [*inputs, *(tensor(name, np.array([value])) for name, value in flags.items())]


def seeds(*values: int) -> triton.InferInput:
    return tensor("seed", np.array([[value] for value in values], np.uint64))


def labels(*values: int) -> triton.InferInput:
    return tensor("label", np.array([[value] for value in values], np.int32))


def picture_inputs(label: int, seed: int, **sampling: Any) -> list[triton.InferInput]:
    """Return the inputs of a sequential image model."""
    inputs = [tensor("label", np.array([label], np.int32)), tensor("seed", np.array([seed], np.uint64))]
    return [*inputs, *text_inputs("", sampling)[1:]] if sampling else inputs


async def completed(gateway: RunningGateway, prompt: str, **sampling: Any) -> ar_pb2.CompleteResponse:
    """Return what our own RPC says."""
    generate = ar_pb2.GenerateRequest(model=TEXT, text=prompt, logprobs=True, sampling=sampling)
    request = ar_pb2.CompleteRequest(generate=generate)
    return ar_pb2.CompleteResponse.FromString(await gateway.unary(COMPLETE, request.SerializeToString()))


async def drawn(gateway: RunningGateway, label: int, **sampling: Any) -> ar_pb2.CompleteResponse:
    """Return an image drawn in sequence by our own RPC."""
    generate = ar_pb2.GenerateRequest(model=PICTURES, class_label=label, sampling=sampling)
    request = ar_pb2.CompleteRequest(generate=generate)
    return ar_pb2.CompleteResponse.FromString(await gateway.unary(COMPLETE, request.SerializeToString()))


async def sampled(gateway: RunningGateway, **fields: Any) -> gan_pb2.SampleResponse:
    """Return images of our own RPC."""
    request = gan_pb2.SampleRequest(**fields)
    return gan_pb2.SampleResponse.FromString(await gateway.unary(SAMPLE, request.SerializeToString()))
