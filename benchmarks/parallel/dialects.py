"""How contenders are asked for images, how their replies are read, and who sends their loads."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import grpc
import numpy as np

from benchmarks.harness.backend import GAN_MODEL, SAMPLE
from benchmarks.peers.gan.generator import LATENT_DIM, NUM_CLASSES, Floats, Labels, Levels
from tandem.gan.v1 import gan_pb2
from tandem.oip import grpc_service_pb2


@dataclass(frozen=True)
class Dialect:
    """Requests and replies are messages as bytes, sent to `path` by gRPC or, if `is_http`, as bodies of HTTP/1.1.

    `explicit` asks for the images of latents [N, 64] and classes [N], `seeded` for a number of images of a seed.
    `levels` returns what a reply holds, [N, 784].
    """

    path: str
    explicit: Callable[[Floats, Labels], bytes]
    seeded: Callable[[int, int], bytes]
    levels: Callable[[bytes], Levels]
    is_http: bool = False

    def ask(self, port: int, request: bytes, timeout: float) -> bytes:
        """Send a request, wait up to `timeout` seconds, and return the reply. Raises OSError, RpcError."""
        if self.is_http:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
                connection.request("POST", self.path, request)
                return connection.getresponse().read()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            method: Any = channel.unary_unary(self.path)
            return bytes(method(request, timeout=timeout))


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


def seeded_requests(dialect: Dialect, num_images: int) -> Sequence[bytes]:
    """Return requests of a seed each; after 4096 images the seeds come round again."""
    return [dialect.seeded(num_images, seed) for seed in range(4096 // num_images)]


TANDEM = Dialect(SAMPLE, _explicit_sample, _seeded_sample, _sampled_levels)
OVER_HTTP = replace(TANDEM, path="/inference", is_http=True)
OPEN_INFERENCE = Dialect(
    "/inference.GRPCInferenceService/ModelInfer", _explicit_inference, _seeded_inference, _inferred_levels
)
