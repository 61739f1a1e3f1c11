"""Opening checkpoints: GGUF and Hugging Face give the same model; damaged and unsafe files are refused in words."""

import json
import pickle
import shutil
from dataclasses import replace

import pytest
import torch

from runtime.models import ModelError
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint
from tests.tiny_gguf import write_gguf
from tests.tiny_models import save_tiny_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pristine")
    save_tiny_model(folder)
    return folder


@pytest.fixture
def folder(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "model")


def load(path):
    return load_transformer(open_checkpoint(path), torch.float32, CPU)


def test_loading_reports_its_progress(folder):
    shares = []
    load_transformer(open_checkpoint(folder), torch.float32, CPU, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_pickle_is_named_and_not_opened(folder):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match=r"pytorch_model.bin may hold code and is not loaded"):
        load(folder)
    shutil.copy(folder / "pytorch_model.bin", folder / "model.safetensors")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load(folder)


def test_a_truncated_weight_file_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model.safetensors: not a safetensors file, or a damaged one"):
        load(folder)


def test_an_index_may_not_point_outside(folder):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(ModelError, match="names a file outside the folder"):
        load(folder)


def test_gguf_and_hugging_face_files_of_one_model_give_the_same_weights(folder, tmp_path):
    expected = load(folder)
    path = write_gguf(open_checkpoint(folder), tmp_path / "same.gguf")
    found = load(path)
    eps = pytest.approx(expected.config.norm_eps, rel=1e-6)  # GGUF holds it as a float32
    assert replace(found.config, norm_eps=eps) == replace(expected.config, norm_eps=eps)
    for (name, ours), theirs in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name, atol=0, rtol=0)
