"""Tensors of requests: raw and typed elements are the same; whatever is wrong is told, and nothing is read twice."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.oip.tensors import BYTES, FP32, INT32, UINT64, Spec, read_inputs
from tandem.oip.grpc_service_pb2 import ModelInferRequest

SPECS = (
    Spec("text", BYTES, (1,)),
    Spec("seed", UINT64, (1,), is_optional=True),
    Spec("vector", FP32, (3,), is_optional=True),
    Spec("any", INT32, (-1,), is_optional=True),
)


def request_of(name: str, datatype: str, shape: list[int], raw: bytes | None = None, **contents: Any) -> Any:
    request = ModelInferRequest()
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    if raw is None:
        for field, values in contents.items():
            getattr(tensor.contents, field).extend(values)
    else:
        request.raw_input_contents.append(raw)
    return request


def read(request: Any, *optional: Spec, is_batched: bool = False) -> Any:
    return read_inputs(request, optional or SPECS[1:], is_batched)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=3, max_size=3))
def test_raw_and_typed_floats_are_the_same(values: list[float]) -> None:
    raw = read(request_of("vector", "FP32", [3], struct.pack("<3f", *values)))
    typed = read(request_of("vector", "FP32", [3], fp32_contents=values))
    assert list(raw["vector"].values) == list(typed["vector"].values) == values


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_texts_come_back(values: list[bytes]) -> None:
    raw = BYTES.pack(values)
    assert list(BYTES.unpack(raw, len(values))) == values
    for count in {len(values) + 1, max(0, len(values) - 1)} - {len(values)}:
        with pytest.raises(ValueError, match="bytes"):
            BYTES.unpack(raw, count)


@given(st.binary(max_size=40), st.integers(0, 5))
def test_any_bytes_are_that_many_texts_or_refused(raw: bytes, count: int) -> None:
    try:
        texts = BYTES.unpack(raw, count)
    except ValueError:
        return
    assert BYTES.pack(texts) == raw
    assert len(texts) == count


@pytest.mark.parametrize(
    ("shape", "is_batched", "rows"),
    [([1], False, 1), ([1, 1], False, 1), ([], False, 1), ([1], True, 1), ([1, 1], True, 1)],
)
def test_a_value_may_leave_out_dimensions_of_one(shape: list[int], is_batched: bool, rows: int) -> None:
    found = read(request_of("seed", "UINT64", shape, bytes(8)), is_batched=is_batched)
    assert (list(found["seed"].values), found["seed"].rows) == ([0], rows)


def test_a_batch_comes_first() -> None:
    for shape in ([4], [4, 1]):
        assert read(request_of("seed", "UINT64", shape, bytes(32)), is_batched=True)["seed"].rows == 4
    assert read(request_of("vector", "FP32", [2, 3], bytes(24)), is_batched=True)["vector"].rows == 2
