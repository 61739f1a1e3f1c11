"""What requests say in each dialect, as a server reads them."""

import numpy as np
import pytest

from benchmarks.parallel.dialects import OPEN_INFERENCE, OVER_HTTP, TANDEM, Dialect, drawn_latents
from benchmarks.peers.gan.exchange import latents_of, reply_of
from tandem.gan.v1 import gan_pb2
from tandem.oip import grpc_service_pb2

LEVELS = np.random.default_rng(1).integers(0, 256, (3, 28, 28, 1)).astype(np.uint8)


@pytest.mark.parametrize("dialect", [TANDEM, OVER_HTTP])
def test_given_latents_arrive_as_they_are(dialect: Dialect) -> None:
    latents, labels = drawn_latents(3, seed=7)
    request = gan_pb2.SampleRequest.FromString(dialect.explicit(latents, labels))
    found = latents_of(request)
    assert np.array_equal(found[0], latents)
    assert np.array_equal(found[1], labels)


def test_a_seed_gives_the_same_latents_each_time_and_others_for_another() -> None:
    first, again, other = (
        latents_of(gan_pb2.SampleRequest.FromString(TANDEM.seeded(5, seed)))[0] for seed in (3, 3, 4)
    )
    assert first.shape == (5, 64)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_replies_hold_the_images() -> None:
    assert np.array_equal(TANDEM.levels(reply_of(LEVELS, seed=3).SerializeToString()), LEVELS.reshape(3, -1))
    reply = grpc_service_pb2.ModelInferResponse(raw_output_contents=[LEVELS.tobytes()])
    assert np.array_equal(OPEN_INFERENCE.levels(reply.SerializeToString()), LEVELS.reshape(3, -1))


def test_tensors_of_the_open_inference_protocol_are_raw_and_described() -> None:
    latents, labels = drawn_latents(3, seed=7)
    request = grpc_service_pb2.ModelInferRequest.FromString(OPEN_INFERENCE.explicit(latents, labels))
    shapes = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in request.inputs}
    assert shapes == {"latent": ("FP32", [3, 64]), "label": ("INT64", [3, 1])}
    assert np.array_equal(np.frombuffer(request.raw_input_contents[0], np.float32).reshape(3, 64), latents)
    assert np.array_equal(np.frombuffer(request.raw_input_contents[1], np.int64), labels)
    assert OPEN_INFERENCE.seeded(3, 7) == OPEN_INFERENCE.explicit(latents, labels)
