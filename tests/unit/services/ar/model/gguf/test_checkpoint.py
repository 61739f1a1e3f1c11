"""GGUF files that are damaged or say what cannot be: each is refused with file, key and value."""

import shutil

import gguf
import pytest

from services.ar.model import quantised
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_gguf import write_gguf


@pytest.mark.parametrize("content", [b"", b"GGUF", b"not a model at all" * 100])
def test_a_corrupt_file_is_refused(tmp_path, content):
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad.gguf: not a GGUF file, or a damaged one"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("llama.attention.head_count", 9, "llama.attention.head_count_kv is 2; accepted: a divisor of llama.att"),
        ("llama.attention.head_count", 6, "llama.embedding_length is 64; accepted: a multiple of llama.att"),
        ("llama.attention.head_count_kv", 4, r"k_proj.weight: shape \(32, 64\), the config says \(64, 64\)"),
        ("llama.block_count", 2, "unexpected tensor 'model.layers.2"),
        ("llama.block_count", 4, "missing tensors: model.layers.3"),
        ("llama.rope.freq_base", float("nan"), "llama.rope.freq_base is nan; accepted"),
        ("tokenizer.ggml.eos_token_id", 384, "eos_token_id is 384; accepted: a whole number from 0 to 383"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_weights_are_read(
    pristine_gguf, tmp_path, monkeypatch, key, value, message
):
    monkeypatch.setattr(quantised, "read_rows", pytest.fail)
    path = shutil.copy(pristine_gguf, tmp_path / "bad.gguf")
    reader = gguf.GGUFReader(path, "r+")
    reader.get_field(key).parts[-1][0] = value
    reader.data.flush()
    with pytest.raises(ModelError, match=f"bad.gguf: .*{message}"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"blk.1.ffn_down.weight", b"blk.1.ffn_gone.weight", "unexpected tensor 'blk.1.ffn_gone.weight'"),
        (b"blk.1.ffn_down.weight", b"blk_1_ffn_down_weight", "unexpected tensor 'blk_1_ffn_down_weight'"),
        (b"blk.1.ffn_down.weight", b"blk.x.ffn_down.weight", "unexpected tensor 'blk.x.ffn_down.weight'"),
        (b"output_norm.weight", b"outputs_nor.weight", "unexpected tensor 'outputs_nor.weight'"),
        (b"llama.block_count", b"llama.block_coins", "llama.block_count is missing; accepted: a whole number"),
        (b"tokenizer.ggml.merges", b"tokenizer.ggml.merged", "tokenizer.ggml.merges is missing; accepted: an array"),
        (b"tokenizer.ggml.token_type", b"tokenizer.ggml.token_typo", "token_type is missing; accepted: an array"),
        (b"tokenizer.ggml.tokens", b"tokenizer.ggml.taken_", "tokenizer.ggml.tokens is missing; accepted: an array"),
        (b"smollm", b"mollsm", "tokenizer.ggml.pre is 'mollsm', which is not supported; one of these would fit"),
    ],
)
def test_a_name_that_cannot_be_is_named(pristine_gguf, tmp_path, old, new, message):
    content = pristine_gguf.read_bytes()
    assert content.count(old) == 1
    path = tmp_path / "bad.gguf"
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ModelError, match=f"bad.gguf: .*{message}"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("llama.attention.value_length", 8, "llama.attention.value_length is 8; accepted: 16"),
        ("llama.rope.scaling.type", "yarn", "llama.rope.scaling.type is 'yarn'; accepted: 'none', 'linear'; a file of"),
        ("llama.expert_count", 8, "llama.expert_count is 8; accepted: 0"),
        ("llama.rope.dimension_count", 8, "llama.rope.dimension_count is 8; accepted: 16"),
        ("tokenizer.chat_template", 8, "tokenizer.chat_template is 8; accepted: a text"),
        ("tokenizer.ggml.add_bos_token", 1, "tokenizer.ggml.add_bos_token is 1; accepted: true or false"),
    ],
)
def test_what_would_be_left_out_or_taken_for_something_else_is_refused(pristine, tmp_path, key, value, message):
    path = write_gguf(open_checkpoint(pristine), tmp_path / "other.gguf", more={key: value})
    with pytest.raises(ModelError, match=f"other.gguf: {message}"):
        open_checkpoint(path)


def test_a_window_of_0_is_none(pristine, tmp_path):
    path = write_gguf(open_checkpoint(pristine), tmp_path / "all.gguf", more={"llama.attention.sliding_window": 0})
    assert open_checkpoint(path).config.sliding_window is None
