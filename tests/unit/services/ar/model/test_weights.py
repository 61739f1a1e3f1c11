"""Opening checkpoints: GGUF and Hugging Face give the same model; damaged and unsafe files are refused in words."""

import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file, save_file

from services.ar.compute.torch.loading import load_transformer
from services.ar.model.gguf.file import read_gguf
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_gguf import write_gguf

CPU = torch.device("cpu")


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


def test_gguf_and_hugging_face_files_of_one_model_give_the_same_weights(folder, tmp_path):
    expected = load(folder)
    path = write_gguf(open_checkpoint(folder), tmp_path / "same.gguf")
    found = load(path)
    eps = pytest.approx(expected.config.norm_eps, rel=1e-6)  # GGUF holds it as a float32
    assert replace(found.config, norm_eps=eps) == replace(expected.config, norm_eps=eps)
    for (name, ours), theirs in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        (torch.float32, "model.norm.weight"),
        (torch.float16, "model.layers.1.mlp.down_proj.weight"),
        (torch.bfloat16, "model.layers.1.mlp.down_proj.weight"),
    ],
)
def test_a_safetensors_file_with_a_weight_that_is_not_finite_is_refused(folder, dtype, name):
    tensors = {key: tensor.to(dtype) for key, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors")
    load(folder)
    tensors[name].view(-1)[-1] = torch.nan
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=f"model.safetensors: '{name}' holds NaN or infinity; accepted: finite"):
        load(folder)


@pytest.mark.parametrize(
    ("type_", "place", "value"),
    [
        (Type.F32, -4, np.float32(np.nan)),
        (Type.BF16, -2, np.uint16(0xFF80)),
        (Type.Q4_1, -18, np.float16(-np.inf)),
        (Type.Q8_0, -34, np.float16(np.inf)),
    ],
)
def test_a_gguf_file_with_a_weight_that_is_not_finite_is_refused(folder, tmp_path, type_, place, value):
    path = write_gguf(open_checkpoint(folder), tmp_path / "model.gguf", type_)
    load(path)
    tensor = next(tensor for tensor in read_gguf(path).tensors if tensor.name == "blk.2.ffn_down.weight")
    with path.open("r+b") as file:
        file.seek(tensor.start + tensor.num_bytes + place)
        file.write(value.tobytes())
    with pytest.raises(ModelError, match=r"model.gguf: 'blk.2.ffn_down.weight' holds NaN or infinity"):
        load(path)
