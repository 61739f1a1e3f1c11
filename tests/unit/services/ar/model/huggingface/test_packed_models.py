"""Whole directories of packed weights: the model is the one that was packed; what does not fit is named.

The other formats differ in what test_packed.py compares with the libraries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from services.ar.compute.torch.loading import as_tensor
from services.ar.model.quantised import QuantisedTensor, as_array
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_models import save_tiny_model

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


def _values(steps: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    return ((steps.unflatten(1, (-1, GROUP)) - zeros.unsqueeze(-1)) * scales.unsqueeze(-1)).flatten(1)


def save_packed(folder: Path, family: str = "llama") -> Tensors:
    """Write a tiny model whose layers' matrices are packed, and return its weights by the stored names."""
    save_tiny_model(folder, family)
    weights, packed = load_file(folder / "model.safetensors"), {}
    for key, tensor in list(weights.items()):
        if key.endswith("_proj.weight"):
            parts, weights[key] = gptq(tensor.float())
            packed |= {f"{key.removesuffix('.weight')}.{suffix}": part.contiguous() for suffix, part in parts.items()}
        else:
            packed[key] = tensor
    save_file(packed, folder / "model.safetensors")
    config, stated = (
        json.loads((folder / "config.json").read_text()),
        {"quant_method": "gptq", "bits": 4, "group_size": GROUP},
    )
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": stated}))
    return weights


@pytest.mark.parametrize("family", ["llama", "phi3"])
def test_a_packed_model_is_the_one_that_was_packed(family: str, tmp_path: Path) -> None:
    expected = save_packed(tmp_path, family)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(f"{MODULE}.qzeros"), f"missing tensors: {MODULE}.qzeros"),
        (
            lambda tensors: tensors.update({f"{MODULE}.scales": torch.ones(5, 64).half()}),
            f"{MODULE}: shapes .* are not those of a matrix packed in 4 bits",
        ),
        (
            lambda tensors: tensors.update({f"{MODULE}.qweight": tensors[f"{MODULE}.qweight"].long()}),
            rf"{MODULE}.qweight' is of type I64; accepted: \('I32',\)",
        ),
    ],
    ids=["a part is missing", "shapes do not fit", "another type"],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: Callable[[Tensors], None], message: str) -> None:
    save_packed(tmp_path)
    edited(tmp_path, change)
    with pytest.raises(ModelError, match=message):
        open_checkpoint(tmp_path)


def test_a_bias_that_the_model_has_not_must_be_zero(tmp_path: Path) -> None:
    save_packed(tmp_path)
    edited(tmp_path, lambda tensors: tensors[f"{MODULE}.bias"].fill_(1))
    checkpoint = open_checkpoint(tmp_path)
    with pytest.raises(ModelError, match=f"{MODULE}.bias is not 0; the config's model has no such bias"):
        list(checkpoint.read_tensors())


def test_integers_without_a_scheme_are_refused(tmp_path: Path) -> None:
    save_packed(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("quantization_config")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is of type I32; accepted"):
        open_checkpoint(tmp_path)
