"""The seed of images drawn in parallel: a tensor or, without it, a parameter."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from gateway.protocols.oip.models.parallel_images import ParallelImageModel
from gateway.protocols.oip.tensors import read_inputs
from tandem.gan.v1 import gan_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument

MODEL = ParallelImageModel(gan_pb2.Model(name="m", max_batch_size=4, latent_dim=2, image_shape=[2, 2, 1]))


def requests(seeds: list[int], parameters: dict[str, Any]) -> list[gan_pb2.SampleRequest]:
    request = ModelInferRequest(model_name="m")
    if seeds:
        request.inputs.add(name="seed", datatype="UINT64", shape=[len(seeds), 1])
        request.raw_input_contents.append(struct.pack(f"<{len(seeds)}Q", *seeds))
    calls = MODEL.calls(read_inputs(request, MODEL.inputs, True), (), parameters, is_streamed=False)
    return [gan_pb2.SampleRequest.FromString(each) for each in calls.requests]


@pytest.mark.parametrize(
    ("seeds", "parameters", "expected"),
    [
        ([], {"seed": 5}, [5]),
        ([], {"seed": "5"}, [5]),
        ([], {"seed": 2**64 - 1}, [2**64 - 1]),
        ([], {"seed": 0}, [0]),
        ([7], {"seed": 5}, [7]),
        ([7, 8], {"seed": 5}, [7, 8]),
    ],
)
def test_a_seed_may_be_a_parameter(seeds: list[int], parameters: dict[str, Any], expected: list[int]) -> None:
    assert [each.seed for each in requests(seeds, parameters)] == expected


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "a", ""])
def test_a_wrong_seed_is_named(seed: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        requests([], {"seed": seed})
    assert caught.value.field == "parameters.seed"
