"""The file of a draft head: what is read of it, and what is refused."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from services.ar.model.config import ModelConfig
from services.ar.model.draft_head import read_draft_head
from tandem.shared.models import ModelError

CONFIG = ModelConfig(100, 8, 16, 1, 2, 2, 4, 64)


def tensors(width: int = 12) -> dict[str, np.ndarray]:
    source = np.random.default_rng(0)
    shapes = {
        "hidden_norm.weight": (8,),
        "token_norm.weight": (8,),
        "gate_up.weight": (2 * width, 16),
        "down.weight": (8, width),
    }
    made = {name: source.standard_normal(shape).astype(np.float16) for name, shape in shapes.items()}
    return {**made, "token_ids": np.array([3, 7, 99], np.int32)}


def test_the_weights_are_those_of_the_file_and_gate_and_up_are_apart(tmp_path):
    save_file(stored := tensors(), tmp_path / "head.safetensors")
    head = read_draft_head(tmp_path / "head.safetensors", CONFIG)
    assert np.array_equal(np.concatenate([head.gate, head.up]), stored["gate_up.weight"])
    assert np.array_equal(head.down, stored["down.weight"])
    assert head.token_ids.tolist() == [3, 7, 99]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_norm.weight", np.ones(9, np.float16)),
        ("down.weight", np.ones((8, 11), np.float16)),
        ("gate_up.weight", np.ones((23, 16), np.float16)),
        ("token_ids", np.array([3, 7, 100], np.int32)),
        ("token_ids", np.array([3, 3], np.int32)),
        ("token_ids", np.array([], np.int32)),
        ("token_ids", np.ones(3, np.float16)),
        ("down.weight", np.full((8, 12), np.nan, np.float16)),
        ("another", np.ones(3, np.float16)),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_name(tmp_path, name, value):
    path = tmp_path / "head.safetensors"
    save_file({**tensors(), name: value}, path)
    with pytest.raises(ModelError, match=str(path)):
        read_draft_head(path, CONFIG)


@pytest.mark.parametrize("name", sorted(tensors()))
def test_a_file_without_one_of_its_tensors_is_refused(tmp_path, name):
    found = tensors()
    del found[name]
    save_file(found, tmp_path / "head.safetensors")
    with pytest.raises(ModelError, match=r"head\.safetensors"):
        read_draft_head(tmp_path / "head.safetensors", CONFIG)
