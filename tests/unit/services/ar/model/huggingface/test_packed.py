"""Packed matrices: what a config.json may state of them, against what the libraries make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file as load_arrays

from services.ar.model.arrays import Array
from services.ar.model.huggingface.packed import AWQ, COMPRESSED, GPTQ, scheme_of, shape_of, unpack
from tandem.shared.models import ModelError

PACKED = load_arrays(Path(__file__).with_name("packed_by_their_libraries.safetensors"))
EXACT = {
    "compressed-4-symmetric": COMPRESSED(4, is_symmetric=True),
    "compressed-4-asymmetric": COMPRESSED(4),
    "compressed-8-symmetric": COMPRESSED(8, is_symmetric=True),
    "awq-4": AWQ(4),
    "gptq-4-symmetric": GPTQ(4, zero_offset=1),
    "gptq-4-asymmetric": GPTQ(4, zero_offset=1),
    "gptq_v2-4-asymmetric": GPTQ(4),
    "gptq-8-symmetric": GPTQ(8, zero_offset=1),
}
ROUNDED = {"compressed-8-asymmetric": COMPRESSED(8), "gptq-4-asymmetric-by-activation": GPTQ(4, zero_offset=1)}


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
    found = unpack(tensors, scheme)
    assert found.kind == f"int{scheme.num_bits}"
    assert found.scales.dtype == np.float16
    # Scale and minimum are rounded to float16, the greatest step included.
    most = np.abs(weights).max() * 2**-10
    np.testing.assert_allclose(found.dequantise(), weights, rtol=0, atol=most)


@pytest.mark.parametrize("name", ROUNDED)
def test_what_the_kernel_has_no_layout_for_gets_8_bits(name: str) -> None:
    tensors, weights = case(name)
    found = unpack(tensors, ROUNDED[name])
    assert found.kind == "int8"
    groups = weights.reshape(len(weights), -1, 32)
    # Half a step, and what the scale of float16 adds to 127 of them.
    most = np.abs(groups).max(-1, keepdims=True) * (0.5 / 127 + 2**-11)
    assert (np.abs(found.dequantise().reshape(groups.shape) - groups) <= most).all()


def test_shapes() -> None:
    for name, scheme in (EXACT | ROUNDED).items():
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
    assert unpack(tensors, ROUNDED["gptq-4-asymmetric-by-activation"]).shape == (8, 128)


FILE = Path("config.json")
OF_GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True}
OF_AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
WEIGHTS = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128, "actorder": None}
OF_GROUP = {"targets": ["Linear"], "weights": WEIGHTS, "input_activations": None, "output_activations": None}
OF_COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": OF_GROUP},
}


def compressed(**changes: Any) -> dict[str, Any]:
    """Return a configuration whose `weights` differ by these."""
    return OF_COMPRESSED | {"config_groups": {"group_0": OF_GROUP | {"weights": WEIGHTS | changes}}}


READ = [
    (OF_GPTQ, GPTQ(4, zero_offset=1)),
    (OF_GPTQ | {"checkpoint_format": "gptq_v2", "bits": 8}, GPTQ(8)),
    (OF_GPTQ | {"group_size": -1}, GPTQ(4, zero_offset=1)),
    (OF_AWQ, AWQ(4)),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, AWQ(4)),
    (OF_COMPRESSED, COMPRESSED(4, is_symmetric=True)),
    (compressed(num_bits=8, strategy="channel"), COMPRESSED(8, is_symmetric=True)),
    (compressed(symmetric=False), COMPRESSED(4)),
]


def test_what_is_read() -> None:
    for stated, expected in READ:
        assert scheme_of(FILE, {"quantization_config": stated}) == expected
        assert scheme_of(FILE, {"compression_config": stated}) == expected


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("gptq", "quantization_config is 'gptq'; accepted: an object"),
        (
            {"quant_method": "bitsandbytes"},
            "quant_method 'bitsandbytes' is not supported; accepted: compressed-tensors",
        ),
        ({}, "quant_method None is not supported"),
        (OF_GPTQ | {"bits": 3}, "the number of bits 3 is not supported"),
        (OF_GPTQ | {"bits": True}, "the number of bits True is not supported"),
        (OF_GPTQ | {"checkpoint_format": "marlin"}, "checkpoint_format 'marlin' is not supported"),
        (OF_GPTQ | {"group_size": "128"}, "group_size is '128'; accepted: a whole number from -1"),
        (OF_AWQ | {"bits": 8}, "the number of bits 8 is not supported"),
        (OF_AWQ | {"version": "gemv"}, "version 'gemv' is not supported"),
        (OF_AWQ | {"version": 5}, "version 5 is not supported"),
        (OF_AWQ | {"zero_point": False}, "zero_point False is not supported"),
        (OF_COMPRESSED | {"format": "float-quantized"}, "format 'float-quantized' is not supported"),
        (OF_COMPRESSED | {"kv_cache_scheme": {"num_bits": 8}}, "kv_cache_scheme {'num_bits': 8} is not supported"),
        (OF_COMPRESSED | {"config_groups": {}}, "config_groups {} is not supported"),
        (OF_COMPRESSED | {"config_groups": [1]}, r"config_groups \[1\] is not supported"),
        (compressed(type="float"), "weights.type 'float' is not supported"),
        (compressed(strategy="tensor"), "weights.strategy 'tensor' is not supported"),
        (compressed(symmetric=None), "weights.symmetric None is not supported"),
        (compressed(num_bits=[4]), r"the number of bits \[4\] is not supported"),
        (
            OF_COMPRESSED | {"config_groups": {"group_0": OF_GROUP | {"input_activations": {"num_bits": 8}}}},
            "input_activations {'num_bits': 8} is not supported",
        ),
        (OF_COMPRESSED | {"config_groups": {"group_0": OF_GROUP | {"weights": None}}}, "weights None is not supported"),
        (
            OF_COMPRESSED | {"config_groups": {"a": OF_GROUP, "b": OF_GROUP | {"weights": WEIGHTS | {"num_bits": 8}}}},
            "config_groups: 2 different ones; accepted: one",
        ),
    ],
)
def test_what_is_refused(stated: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"config.json: quantization_config.*{message}|config.json: {message}"):
        scheme_of(FILE, {"quantization_config": stated})
