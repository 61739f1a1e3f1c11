"""Rounding to 4 bits: no worse than llama.cpp's Q4_1 of the same size, more bits where 4 lose too much."""

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from services.ar.model.few_bits import relative_error, round_to_four_bits, round_weights
from services.ar.model.quantised import format_of, quantise
from services.ar.model.weights import open_checkpoint
from tests.crafted_checkpoints import changed
from tests.tiny_models import save_tiny_model


def random_weights(kind: str) -> np.ndarray:
    normal = np.random.default_rng(3).standard_normal((300, 256), np.float32)
    return {"normal": normal, "heavy": normal**3, "offset": normal + 4, "wide": normal * 1e4}[kind]


@pytest.mark.parametrize(("kind", "type_"), [("int4", Type.Q4_1), ("int5", Type.Q5_1)])
def test_the_error_is_smaller_than_that_of_llama_cpp_s_type_of_the_same_bits(kind, type_):
    for weights in ("normal", "heavy", "offset", "wide"):
        values = random_weights(weights)
        theirs = gguf.dequantize(gguf.quantize(values, type_), type_)
        ours = relative_error(round_weights(values, kind), values)
        assert 0 < ours < np.linalg.norm(theirs - values) / np.linalg.norm(values)


def test_equal_weights_are_kept():
    for value in (0.0, -3.5, 1e-30):
        found = round_weights(np.full((2, 40), value, np.float32), "int4").dequantise()
        assert found.shape == (2, 64)
        np.testing.assert_allclose(found[:, :32], np.full((2, 32), value), atol=1e-7, rtol=1e-3)


def kinds(checkpoint) -> dict[str, str]:
    tensors = round_to_four_bits(checkpoint).read_tensors()
    return {name: format_of(tensor) for name, tensor in tensors}


def test_a_checkpoint_in_four_bits(tmp_path):
    save_tiny_model(tmp_path, "qwen2")
    found = kinds(open_checkpoint(tmp_path))
    assert found["model.embed_tokens.weight"] == found["lm_head.weight"] == "int8"
    assert found["model.layers.1.mlp.down_proj.weight"] == "int4"
    assert found["model.layers.1.self_attn.q_proj.bias"] == found["model.norm.weight"] == "float32"


def test_a_matrix_that_loses_too_much_gets_five_bits(tmp_path):
    save_tiny_model(tmp_path, "qwen2")

    def with_outliers(name, weights):
        return weights * np.abs(weights) if "up_proj.weight" in name else weights

    found = kinds(changed(open_checkpoint(tmp_path), with_outliers))
    assert {kind for name, kind in found.items() if "up_proj.weight" in name} == {"int5"}
    assert {kind for name, kind in found.items() if "gate_proj.weight" in name} == {"int4"}


def test_what_has_few_bits_is_not_rounded_again(tmp_path):
    save_tiny_model(tmp_path)

    def as_file(name, weights):
        if "q_proj" in name:
            return round_weights(weights, "int5")
        return quantise(weights) if "k_proj" in name else weights

    found = kinds(changed(open_checkpoint(tmp_path), as_file))
    assert {kind for name, kind in found.items() if "q_proj" in name} == {"int5"}
    assert {kind for name, kind in found.items() if "k_proj" in name} == {"int4"}
