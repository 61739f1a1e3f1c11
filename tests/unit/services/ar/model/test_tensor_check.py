"""The tensors that a configuration asks for are those of the model itself; others are refused by name."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from services.ar.model.arrays import Shape
from services.ar.model.config import MAX_LAYERS, ModelConfig
from services.ar.model.tensor_check import Source, check_sources, expected_shapes
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_models import FAMILIES, save_tiny_model

CONFIG = ModelConfig(100, 32, 48, 2, 4, 2, 8, 64)


def check(config: ModelConfig, shapes: Mapping[str, Shape]) -> None:
    check_sources(Path("model.gguf"), config, {name: Source(shape, pytest.fail) for name, shape in shapes.items()})


@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_those_that_transformers_writes(tmp_path: Path, family: str) -> None:
    reference = save_tiny_model(tmp_path, family)
    checkpoint = open_checkpoint(tmp_path)
    written = {name: tuple(tensor.shape) for name, tensor in checkpoint.read_tensors()}
    assert expected_shapes(checkpoint.config) == written
    # Phi-3 writes queries, keys and values as one tensor, and so gate and up.
    num_joined = 3 * len(reference.model.layers) if family == "phi3" else 0
    assert len(written) == len(list(reference.parameters())) + num_joined


def test_each_must_be_there_in_its_shape() -> None:
    shapes = expected_shapes(CONFIG)
    check(CONFIG, shapes)
    for name in shapes:
        with pytest.raises(ModelError, match=f"model.gguf: missing tensors: {name}$"):
            check(CONFIG, {key: shape for key, shape in shapes.items() if key != name})
        wrong = (*shapes[name][:-1], shapes[name][-1] + 1)
        with pytest.raises(ModelError, match=f"model.gguf: {name}: shape .*, the config says") as error:
            check(CONFIG, shapes | {name: wrong})
        assert str(wrong) in str(error.value)


def test_a_tensor_of_another_name_is_refused_unless_it_is_known_not_to_matter() -> None:
    shapes = expected_shapes(replace(CONFIG, ties_embeddings=True))
    extra = {"lm_head.weight": (100, 32), "model.layers.0.self_attn.rotary_emb.inv_freq": (4,)}
    check(replace(CONFIG, ties_embeddings=True), shapes | extra)
    with pytest.raises(ModelError, match=r"unexpected tensor 'model.layers.2.self_attn.q_proj.weight'"):
        check(CONFIG, expected_shapes(replace(CONFIG, num_layers=3)))


def test_few_of_many_missing_tensors_are_listed() -> None:
    with pytest.raises(ModelError, match=r"missing tensors: .* and 8,979 more$") as error:
        check(replace(CONFIG, num_layers=MAX_LAYERS), expected_shapes(CONFIG))
    assert len(str(error.value)) < 300
