"""Opening checkpoints: GGUF and Hugging Face give the same model; damaged and unsafe files are refused in words."""

import json
import pickle
import shutil
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch

from runtime.models import ModelError
from services.ar.weights import load_transformer, open_checkpoint
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


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["BertModel"]}, "'BertModel' is not supported"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope scaling 'yarn'"),
        ({"num_hidden_layers": 4}, r"missing tensors.*model.layers.3"),
        ({"num_hidden_layers": 2}, r"unexpected tensor model.layers.2"),
        ({"intermediate_size": 97}, r"down.weight: shape \(64, 96\), the config says \(64, 97\)"),
    ],
)
def test_a_config_that_does_not_fit(folder, changes, message):
    edit_json(folder / "config.json", **changes)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_missing_and_broken_json(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config.json: Expecting"):
        load(folder)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer.json"):
        load(folder)


def test_an_index_may_not_point_outside(folder):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(ModelError, match="names a file outside the folder"):
        load(folder)


def test_end_tokens_come_from_the_generation_config(folder):
    edit_json(folder / "generation_config.json", eos_token_id=[1, 4])
    assert open_checkpoint(folder).eos_token_ids == {1, 4}


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 100])
def test_a_corrupt_gguf_is_refused(tmp_path, content):
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad.gguf: not a GGUF file, or a damaged one"):
        open_checkpoint(path)


def test_a_gguf_of_another_architecture_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match="architecture 'mamba' is not supported"):
        open_checkpoint(tmp_path / "other.gguf")


def test_gguf_and_hugging_face_files_of_one_model_give_the_same_weights(folder, tmp_path):
    expected = load(folder)
    path = write_gguf(open_checkpoint(folder), tmp_path / "same.gguf")
    found = load(path)
    eps = pytest.approx(expected.config.norm_eps, rel=1e-6)  # GGUF holds it as a float32
    assert replace(found.config, norm_eps=eps) == replace(expected.config, norm_eps=eps)
    for (name, ours), theirs in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name, atol=0, rtol=0)


def write_gguf(checkpoint, path):
    """Write a checkpoint as llama.cpp would: its names, and query and key rows interleaved for its rotary layout."""
    config, writer = checkpoint.config, gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_layers)
    writer.add_context_length(config.max_context_tokens)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    vocabulary = checkpoint.tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<") and len(token) > 1 else 1 for token in tokens])
    merges = json.loads(checkpoint.tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_eos_token_id(1)
    for name, tensor in checkpoint.read_tensors():
        writer.add_tensor(*_as_llama_cpp(name, tensor.numpy(), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _as_llama_cpp(name: str, values: np.ndarray, config) -> tuple[str, np.ndarray]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_layers)
    for part, num_heads in (("q_proj", config.num_heads), ("k_proj", config.num_kv_heads)):
        if part in name:
            halves = values.reshape(num_heads, 2, -1, values.shape[-1])
            values = halves.swapaxes(1, 2).reshape(values.shape)
    return names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values)
