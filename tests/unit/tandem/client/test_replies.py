"""Messages to plain values: no protobuf type is left in them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from google.protobuf.message import Message as ProtobufMessage

from tandem.ar.v1 import ar_pb2
from tandem.client import Timings, replies
from tandem.common.v1 import timings_pb2
from tandem.gan.v1 import gan_pb2


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def assert_plain(value: Any) -> None:
    for leaf in leaves(asdict(value)):
        assert leaf is None or type(leaf) in (str, bytes, int, float, bool)
        assert not isinstance(leaf, ProtobufMessage)


def test_every_field_of_a_model_and_of_timings_is_told() -> None:
    [sequential] = replies.sequential_models(
        ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name="a", image_shape=[1, 2, 3])])
    )
    [parallel] = replies.parallel_models(
        gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name="b", image_shape=[1, 2, 3], class_names=["x"])])
    )
    assert_plain(sequential)
    assert_plain(parallel)
    sampling = ar_pb2.SamplingParams(temperature=0.5, top_k=20)
    [recommending] = replies.sequential_models(
        ar_pb2.ListModelsResponse(models=[ar_pb2.Model(default_sampling=sampling)])
    )
    assert recommending.default_sampling == {"temperature": 0.5, "top_k": 20}
    assert sequential.default_sampling == {}
    assert {field.name for field in ar_pb2.Model.DESCRIPTOR.fields} == set(asdict(sequential))
    assert {field.name for field in gan_pb2.Model.DESCRIPTOR.fields} == set(asdict(parallel))
    assert sequential.image_shape == (1, 2, 3)
    assert (parallel.image_shape, parallel.class_names) == ((1, 2, 3), ("x",))
    assert {field.name for field in timings_pb2.Timings.DESCRIPTOR.fields} == set(Timings.__dataclass_fields__)
