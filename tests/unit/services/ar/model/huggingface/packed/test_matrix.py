"""Matrices packed by the code of compressed-tensors, AutoAWQ and GPTQModel, with what each library makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from services.ar.model.arrays import Array
from services.ar.model.huggingface.packed.matrix import matrix, shape_of
from services.ar.model.huggingface.packed.scheme import Scheme

PACKED = load_file(Path(__file__).with_name("packed_by_their_libraries.safetensors"))
EXACT = {
    "compressed-4-symmetric": Scheme("compressed", 4, is_symmetric=True),
    "compressed-4-asymmetric": Scheme("compressed", 4, is_symmetric=False),
    "compressed-8-symmetric": Scheme("compressed", 8, is_symmetric=True),
    "awq-4": Scheme("awq", 4, is_symmetric=False),
    "gptq-4-symmetric": Scheme("gptq", 4, is_symmetric=False, zero_offset=1),
    "gptq-4-asymmetric": Scheme("gptq", 4, is_symmetric=False, zero_offset=1),
    "gptq_v2-4-asymmetric": Scheme("gptq", 4, is_symmetric=False),
    "gptq-8-symmetric": Scheme("gptq", 8, is_symmetric=False, zero_offset=1),
}
ROUNDED = {
    "compressed-8-asymmetric": Scheme("compressed", 8, is_symmetric=False),
    "gptq-4-asymmetric-by-activation": Scheme("gptq", 4, is_symmetric=False, zero_offset=1),
}


def case(name: str) -> tuple[dict[str, Array], Array]:
    """Return the packed tensors by suffix, and the weights [8, 128] float32."""
    parts = {key.partition("/")[2]: tensor for key, tensor in PACKED.items() if key.partition("/")[0] == name}
    return parts, parts.pop("weights")


def test_every_case_is_looked_at() -> None:
    assert {key.partition("/")[0] for key in PACKED} == {*EXACT, *ROUNDED}


@pytest.mark.parametrize("name", EXACT)
def test_weights_are_those_of_the_library_in_as_many_bits(name: str) -> None:
    scheme = EXACT[name]
    tensors, weights = case(name)
    found = matrix(tensors, scheme)
    assert found.kind == f"int{scheme.num_bits}"
    assert found.scales.dtype == np.float16
    # Scale and minimum are rounded to float16, the greatest step included.
    most = np.abs(weights).max() * 2**-10
    np.testing.assert_allclose(found.dequantise(), weights, rtol=0, atol=most)


@pytest.mark.parametrize("name", ROUNDED)
def test_what_the_kernel_has_no_layout_for_gets_8_bits(name: str) -> None:
    tensors, weights = case(name)
    found = matrix(tensors, ROUNDED[name])
    assert found.kind == "int8"
    groups = weights.reshape(len(weights), -1, 32)
    # Half a step, and what the scale of float16 adds to 127 of them.
    most = np.abs(groups).max(-1, keepdims=True) * (0.5 / 127 + 2**-11)
    assert (np.abs(found.dequantise().reshape(groups.shape) - groups) <= most).all()


@pytest.mark.parametrize(("name", "scheme"), [*EXACT.items(), *ROUNDED.items()])
def test_shapes(name: str, scheme: Scheme) -> None:
    tensors, weights = case(name)
    shapes = {suffix: tuple(tensor.shape) for suffix, tensor in tensors.items()}
    assert shape_of(shapes, scheme) == tuple(weights.shape)
    for suffix in shapes.keys() - {"weight_shape"}:
        assert shape_of(shapes | {suffix: (7, 3)}, scheme) is None
        assert shape_of(shapes | {suffix: (128, 128, 128)}, scheme) is None


def test_groups_of_16_inputs_do_not_fit() -> None:
    scheme = EXACT["compressed-4-symmetric"]
    assert shape_of({"weight_packed": (8, 16), "weight_scale": (8, 8)}, scheme) is None
    assert shape_of({"weight_packed": (8, 16), "weight_scale": (8, 4)}, scheme) == (8, 128)
    assert shape_of({"weight_packed": (8, 16), "weight_scale": (8, 0)}, scheme) is None


def test_a_damaged_group_is_clamped_and_no_memory_of_others_is_read() -> None:
    tensors, _ = case("gptq-4-asymmetric-by-activation")
    tensors["g_idx"] = np.full_like(tensors["g_idx"], 2**31 - 1)
    assert matrix(tensors, ROUNDED["gptq-4-asymmetric-by-activation"]).shape == (8, 128)
