"""Packed matrices: what a config.json may state of them, against what the libraries make of them, whole directories."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file, save_file
from torch import Tensor

from services.ar.compute.torch.loading import as_tensor
from services.ar.model.arrays import Array
from services.ar.model.huggingface.packed import AWQ, COMPRESSED, GPTQ, Scheme, scheme_of, shape_of, unpack
from services.ar.model.quantised import QuantisedTensor, as_array
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_models import save_tiny_model

PACKED = load_arrays(Path(__file__).with_name("packed_by_their_libraries.safetensors"))
EXACT = {
    "compressed-4-symmetric": Scheme(COMPRESSED, 4, is_symmetric=True),
    "compressed-4-asymmetric": Scheme(COMPRESSED, 4),
    "compressed-8-symmetric": Scheme(COMPRESSED, 8, is_symmetric=True),
    "awq-4": Scheme(AWQ, 4),
    "gptq-4-symmetric": Scheme(GPTQ, 4, zero_offset=1),
    "gptq-4-asymmetric": Scheme(GPTQ, 4, zero_offset=1),
    "gptq_v2-4-asymmetric": Scheme(GPTQ, 4),
    "gptq-8-symmetric": Scheme(GPTQ, 8, zero_offset=1),
}
ROUNDED = {
    "compressed-8-asymmetric": Scheme(COMPRESSED, 8),
    "gptq-4-asymmetric-by-activation": Scheme(GPTQ, 4, zero_offset=1),
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
    (OF_GPTQ, Scheme(GPTQ, 4, zero_offset=1)),
    (OF_GPTQ | {"checkpoint_format": "gptq_v2", "bits": 8}, Scheme(GPTQ, 8)),
    (OF_GPTQ | {"group_size": -1}, Scheme(GPTQ, 4, zero_offset=1)),
    (OF_AWQ, Scheme(AWQ, 4)),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, Scheme(AWQ, 4)),
    (OF_COMPRESSED, Scheme(COMPRESSED, 4, is_symmetric=True)),
    (compressed(num_bits=8, strategy="channel"), Scheme(COMPRESSED, 8, is_symmetric=True)),
    (compressed(symmetric=False), Scheme(COMPRESSED, 4)),
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
            "config_groups: 2 different ones; accepted: one scheme",
        ),
    ],
)
def test_what_is_refused(stated: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"config.json: quantization_config.*{message}|config.json: {message}"):
        scheme_of(FILE, {"quantization_config": stated})


GROUP = 32
Tensors = dict[str, Tensor]


def _words(steps: Tensor) -> Tensor:
    """Pack steps [n, 8 * words], the lowest bits first, into int32 [n, words]."""
    packed = torch.zeros(len(steps), steps.shape[1] // 8, dtype=torch.int64)
    for place in range(8):
        packed |= steps[:, place::8].long() << 4 * place
    return torch.where(packed >= 2**31, packed - 2**32, packed).int()


def _rounded(weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return steps [outputs, inputs], and scales and zero points [outputs, groups], of 4 bits."""
    groups = weights.unflatten(1, (-1, GROUP))
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scales = ((high - low) / 15).half().float()
    zeros = (-low / scales).round().clamp(1, 15)
    steps = (groups / scales.unsqueeze(-1) + zeros.unsqueeze(-1)).round().clamp(0, 15)
    return steps.flatten(1), scales, zeros


def gptq(weights: Tensor) -> tuple[Tensors, Tensor]:
    steps, scales, zeros = _rounded(weights)
    packed = {"qweight": _words(steps).t(), "scales": scales.t().half(), "qzeros": _words(zeros.t() - 1)}
    packed["g_idx"] = (torch.arange(weights.shape[1]) // GROUP).int()
    packed["bias"] = torch.zeros(len(weights)).half()
    return packed, _values(steps, scales, zeros)


def awq(weights: Tensor) -> tuple[Tensors, Tensor]:
    steps, scales, zeros = _rounded(weights)
    order = [0, 2, 4, 6, 1, 3, 5, 7]

    def of(rows: Tensor) -> Tensor:
        return _words(rows.unflatten(1, (-1, 8))[..., order].flatten(1))

    return {"qweight": of(steps.t()), "scales": scales.t().half(), "qzeros": of(zeros.t())}, _values(
        steps, scales, zeros
    )


def compress(weights: Tensor) -> tuple[Tensors, Tensor]:
    steps, scales, zeros = _rounded(weights)
    packed = {"weight_packed": _words(steps), "weight_scale": scales, "weight_zero_point": _words(zeros.t()).t()}
    packed["weight_shape"] = torch.tensor(weights.shape)
    return packed, _values(steps, scales, zeros)


def _values(steps: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    return ((steps.unflatten(1, (-1, GROUP)) - zeros.unsqueeze(-1)) * scales.unsqueeze(-1)).flatten(1)


_WEIGHTS = {"num_bits": 4, "type": "int", "symmetric": False, "strategy": "group"}
FORMATS: dict[str, tuple[Callable[[Tensor], tuple[Tensors, Tensor]], dict[str, Any]]] = {
    "gptq": (gptq, {"quant_method": "gptq", "bits": 4, "group_size": GROUP}),
    "awq": (awq, {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm"}),
    "compressed-tensors": (
        compress,
        {
            "quant_method": "compressed-tensors",
            "format": "pack-quantized",
            "config_groups": {"group_0": {"weights": _WEIGHTS}},
        },
    ),
}


def save_packed(folder: Path, name: str, family: str = "llama") -> Tensors:
    """Write a tiny model whose layers' matrices are packed, and return its weights by the stored names."""
    save_tiny_model(folder, family)
    pack, stated = FORMATS[name]
    weights, packed = load_file(folder / "model.safetensors"), {}
    for key, tensor in list(weights.items()):
        if key.endswith("_proj.weight"):
            parts, weights[key] = pack(tensor.float())
            packed |= {f"{key.removesuffix('.weight')}.{suffix}": part.contiguous() for suffix, part in parts.items()}
        else:
            packed[key] = tensor
    save_file(packed, folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))
    return weights


@pytest.mark.parametrize(("name", "family"), [("gptq", "phi3"), ("awq", "llama"), ("compressed-tensors", "qwen3")])
def test_a_packed_model_is_the_one_that_was_packed(name: str, family: str, tmp_path: Path) -> None:
    expected = save_packed(tmp_path, name, family)
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.dtype == "int4"
    found = dict(checkpoint.read_tensors())
    matrices = [matrix for key, matrix in found.items() if key.endswith("_proj.weight")]
    assert all(isinstance(matrix, QuantisedTensor) and matrix.kind == "int4" for matrix in matrices)
    # Phi-3 stores queries, keys and values as one matrix, and so gate and up.
    stacks = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
    for key, weights in expected.items():
        fused = next((stack for stack in stacks if f".{stack}." in key), None)
        parts = [found[key.replace(fused, part)] for part in stacks[fused]] if fused else [found[key]]
        whole = torch.cat([as_tensor(as_array(part)).float() for part in parts])
        torch.testing.assert_close(whole, weights.float(), rtol=0, atol=float(weights.abs().max()) * 2**-10)


def edited(folder: Path, change: Callable[[Tensors], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


MODULE = "model.layers.1.mlp.down_proj"


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    save_packed(tmp_path, "awq")
    edited(tmp_path, lambda tensors: tensors.pop(f"{MODULE}.qzeros"))
    with pytest.raises(ModelError, match=f"missing tensors: {MODULE}.qzeros"):
        open_checkpoint(tmp_path)


def test_parts_that_do_not_fit_are_named(tmp_path: Path) -> None:
    save_packed(tmp_path, "gptq")
    edited(tmp_path, lambda tensors: tensors.update({f"{MODULE}.scales": torch.ones(5, 64).half()}))
    with pytest.raises(ModelError, match=f"{MODULE}: shapes .* are not those of a matrix packed in 4 bits"):
        open_checkpoint(tmp_path)


def test_steps_of_another_type_are_refused(tmp_path: Path) -> None:
    save_packed(tmp_path, "gptq")
    edited(tmp_path, lambda tensors: tensors.update({f"{MODULE}.qweight": tensors[f"{MODULE}.qweight"].long()}))
    with pytest.raises(ModelError, match=rf"{MODULE}.qweight' is of type I64; accepted: \('I32',\)"):
        open_checkpoint(tmp_path)


def test_a_bias_that_the_model_has_not_must_be_zero(tmp_path: Path) -> None:
    save_packed(tmp_path, "gptq")
    edited(tmp_path, lambda tensors: tensors[f"{MODULE}.bias"].fill_(1))
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=f"{MODULE}.bias is not 0; the config's model has no such bias"):
        list(checkpoint.read_tensors())


def test_integers_without_a_scheme_are_refused(tmp_path: Path) -> None:
    save_packed(tmp_path, "awq")
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("quantization_config")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is of type I32; accepted"):
        open_checkpoint(tmp_path)
