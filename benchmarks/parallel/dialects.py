"""How contenders are asked for images, and how their replies are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.harness.load import HTTP1, SENDER
from benchmarks.harness.messages import GAN_MODEL, SAMPLE
from benchmarks.peers.gan.generator import LATENT_DIM, NUM_CLASSES, Floats, Labels, Levels
from tandem.gan.v1 import gan_pb2
from tandem.oip import grpc_service_pb2


@dataclass(frozen=True)
class Dialect:
    """`client` is the name of the compiled client that speaks it; requests and replies are messages as bytes.

    `explicit` asks for the images of latents [N, 64] and classes [N], `seeded` for so many of a seed. `levels` returns
    what a reply holds, [N, 784].
    """

    client: str
    path: str
    explicit: Callable[[Floats, Labels], bytes]
    seeded: Callable[[int, int], bytes]
    levels: Callable[[bytes], Levels]


def _explicit_sample(latents: Floats, labels: Labels) -> bytes:
    values = gan_pb2.Latents(values=latents.ravel().tolist())
    request = gan_pb2.SampleRequest(model=GAN_MODEL, count=len(labels), labels=labels.tolist(), latents=values)
    return request.SerializeToString()


def _seeded_sample(count: int, seed: int) -> bytes:
    request = gan_pb2.SampleRequest(model=GAN_MODEL, count=count, labels=[seed % NUM_CLASSES], seed=seed)
    return request.SerializeToString()


def _sampled_levels(reply: bytes) -> Levels:
    return _images(gan_pb2.SampleResponse.FromString(reply).images.data)


def _explicit_inference(latents: Floats, labels: Labels) -> bytes:
    tensors = [latents.tobytes(), labels.tobytes()]
    request = grpc_service_pb2.ModelInferRequest(model_name="gan", raw_input_contents=tensors)
    request.inputs.add(name="latent", datatype="FP32", shape=latents.shape)
    request.inputs.add(name="label", datatype="INT64", shape=(len(labels), 1))
    return request.SerializeToString()


def _seeded_inference(count: int, seed: int) -> bytes:
    """Latents are the client's to draw here: the server is spared that."""
    return _explicit_inference(*drawn_latents(count, seed))


def _inferred_levels(reply: bytes) -> Levels:
    return _images(grpc_service_pb2.ModelInferResponse.FromString(reply).raw_output_contents[0])


def _images(data: bytes) -> Levels:
    return np.frombuffer(data, np.uint8).reshape(-1, 28 * 28)


def drawn_latents(count: int, seed: int) -> tuple[Floats, Labels]:
    """Return latents [N, 64] and classes [N] that are the same for the same seed."""
    source = np.random.default_rng(seed)
    return source.standard_normal((count, LATENT_DIM), dtype=np.float32), source.integers(0, NUM_CLASSES, count)


TANDEM = Dialect(SENDER, SAMPLE, _explicit_sample, _seeded_sample, _sampled_levels)
OVER_HTTP = replace(TANDEM, client=HTTP1, path="/inference")
OPEN_INFERENCE = Dialect(
    SENDER, "/inference.GRPCInferenceService/ModelInfer", _explicit_inference, _seeded_inference, _inferred_levels
)
