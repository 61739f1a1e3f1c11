"""Which files make up a model."""

import pytest

from tandem.cli.models.weights import weight_paths, weights_state
from tandem.shared.models import ModelError, ModelRepository
from tests.tiny_models import add_image_model


def test_a_sequential_image_model_is_a_folder_and_two_networks(tmp_path):
    folder = add_image_model(tmp_path)
    model = ModelRepository(tmp_path).get("tiny-image")
    assert [path.name for path in weight_paths(model)] == ["tiny-image", "token_decoder.onnx", "token_encoder.onnx"]
    assert weights_state(model) == "here"
    toml = folder / "model.toml"
    toml.write_text(toml.read_text().replace("[files]", f'[files]\n"costs.json" = "{"0" * 64}"'))
    assert "costs.json: no such file" in weights_state(ModelRepository(tmp_path).get("tiny-image"))
    (folder / "token_encoder.onnx").unlink()
    assert "token_encoder.onnx: no such file" in weights_state(model)
    with pytest.raises(ModelError, match=r"token_encoder\.onnx"):
        weight_paths(model)
