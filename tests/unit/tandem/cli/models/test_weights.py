"""Which files make up a model, and each format's reader on a tiny file and on a bad one."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from tandem.cli.models.weights import inspect, weight_paths, weights_state
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


def test_safetensors_file_and_folder(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.float32)}, tmp_path / "model.safetensors")
    expected = "safetensors, 2 tensors, 0.0 M values"
    assert inspect(tmp_path / "model.safetensors") == expected
    assert inspect(tmp_path) == expected


def test_gguf(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert inspect(tmp_path / "a.gguf").startswith("GGUF, llama, 1 tensors")


def test_a_bad_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        inspect(tmp_path)
    for suffix in (".safetensors", ".gguf", ".onnx"):
        for content in (b"", b"\x80\x04\x95 a pickle", b"x" * 100):
            path = tmp_path / f"bad{suffix}"
            path.write_bytes(content)
            with pytest.raises(ModelError, match=f"bad{suffix}"):
                inspect(path)


def test_a_gguf_file_of_more_elements_than_bytes_is_refused(tmp_path: Path) -> None:
    array = struct.pack("<Q3sIIQ", 3, b"key", 9, 0, 2**60)
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + array + bytes(100))
    with pytest.raises(ModelError, match=r"bad.gguf: the number of key is 1152921504606846976; accepted: 0 to 100"):
        inspect(tmp_path / "bad.gguf")
