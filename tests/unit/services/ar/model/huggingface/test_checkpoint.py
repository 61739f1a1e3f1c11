"""Hugging Face directories that are damaged or say what cannot be: each is refused with file, key and value."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from services.ar.codecs.text_codec import TextCodec
from services.ar.model import quantised
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.tiny_models import VOCAB_SIZE, save_tiny_model


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["BertModel"]}, "architecture 'BertModel' is not supported"),
        ({"architectures": [[]]}, r"architecture \[\] is not supported"),
        ({"architectures": None}, "architecture None is not supported"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"num_key_value_heads": 8}, "num_key_value_heads is 8; accepted: a divisor of num_attention_heads, 4"),
        ({"tie_word_embeddings": "true"}, "tie_word_embeddings is 'true'; accepted: true or false"),
        ({"rope_parameters": []}, r"rope_parameters is \[\]; accepted: an object"),
        ({"rope_parameters": {"rope_theta": -1}}, "rope_parameters.rope_theta is -1; accepted: a number from"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters: rope scaling 'yarn' is not supported"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "rope_parameters: .*'longrope' is not supported; .*Phi-3 is"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters.factor is missing; accepted: a number"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor 0.5 is not supported"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "use_sliding_window or layer_types .* is not"),
        ({"num_hidden_layers": 4}, r"missing tensors: model.layers.3"),
        ({"num_hidden_layers": 2}, r"unexpected tensor 'model.layers.2"),
        ({"intermediate_size": 97}, r"mlp.\w+_proj.weight: shape .*96.*, the config says .*97"),
        ({"vocab_size": 1_000_000}, r"embed_tokens.weight: shape \(384, 64\), the config says \(1000000, 64\)"),
        ({"hidden_size": 128}, r"weight: shape .*64.*, the config says .*128"),
        ({"num_key_value_heads": 1}, r"[kv]_proj.weight: shape \(32, 64\), the config says \(16, 64\)"),
    ],
)
def test_a_config_that_cannot_be_or_is_not_that_of_the_weights_is_refused_before_they_are_read(
    folder, changes, message, monkeypatch
):
    monkeypatch.setattr(quantised, "read_rows", pytest.fail)
    edit_json(folder / "config.json", **changes)
    with pytest.raises(ModelError, match=rf"/model(/config.json)?: .*{message}"):
        open_checkpoint(folder)


def test_each_layer_of_a_gemma3_is_local_or_global(tmp_path):
    save_tiny_model(tmp_path, "gemma3")
    for kinds in (7, ["full_attention"], ["full_attention", "full_attention", ["x"]], ["a"] * 3):
        edit_json(tmp_path / "config.json", layer_types=kinds)
        with pytest.raises(ModelError, match=r"layer_types is .*; accepted: 'sliding_attention' or 'full_attention'"):
            open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{", "Expecting"),
        ("config.json", b"[]", "holds a list; accepted: an object"),
        ("config.json", b"[" * 100_000, "values are nested too deeply"),
        ("config.json", b" " * (16 * 1024**2 + 1), "is 16,777,217 bytes long; accepted: at most 16,777,216"),
        ("config.json", b"\xff{}", "'utf-8' codec can't decode"),
        ("config.json", b'{"x": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        ("tokenizer.json", b"{}", "no valid tokenizer"),
        ("tokenizer.json", b"[" * 100_000, "no valid tokenizer"),
        ("tokenizer.json", b"[" + b"1," * 2_000_001, "has 2,000,001 commas; accepted: at most 2,000,000"),
        ("tokenizer.json", b"\xff", "no valid tokenizer"),
        ("generation_config.json", b'{"eos_token_id": 384}', "eos_token_id is 384; accepted: a whole .* 0 to 383"),
        ("generation_config.json", b'{"eos_token_id": -1}', "eos_token_id is -1; accepted"),
        ("generation_config.json", b'{"eos_token_id": "</s>"}', "eos_token_id is '</s>'; accepted"),
        ("generation_config.json", b'{"eos_token_id": [1, [2]]}', r"eos_token_id is \[2\]; accepted"),
        ("tokenizer_config.json", b'{"bos_token": 7}', "bos_token is 7; accepted: a text"),
        ("tokenizer_config.json", b'{"eos_token": {"content": []}}', r"eos_token is \[\]; accepted: a text"),
        ("chat_template.jinja", b"\xff", "'utf-8' codec can't decode"),
        ("model.safetensors.index.json", b'{"weight_map": []}', r"weight_map is \[\]; accepted"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": 1}}', "weight_map is {'a': 1}; accepted"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "a.json"}}', "weight_map names other files than"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": "../x.safetensors"}}', "names a file outside"),
        ("model.safetensors", b"", "not a safetensors file"),
        ("model.safetensors", b"\xff" * 100, "not a .* header of 18,446,744,073,709,551,615 bytes; accepted: 1 to 92"),
        ("model.safetensors", (50).to_bytes(8, "little") + b"[" * 50, "not a safetensors file"),
    ],
)
def test_a_damaged_file_is_named(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}: .*{message}"):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_folder_in_the_place_of_a_file_is_named(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    with pytest.raises(ModelError, match=rf"{name}: no such file"):
        open_checkpoint(folder)


def test_end_tokens_come_from_the_generation_config(folder):
    edit_json(folder / "generation_config.json", eos_token_id=[1, 4])
    assert open_checkpoint(folder).eos_token_ids == {1, 4}
    (folder / "generation_config.json").unlink()
    edit_json(folder / "config.json", eos_token_id=2)
    assert open_checkpoint(folder).eos_token_ids == {2}


@pytest.mark.parametrize("template", [7, {"a": 1}, "x" * (1024**2 + 1)])
def test_a_chat_template_is_a_text(folder, template):
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    with pytest.raises(ModelError, match=r"tokenizer_config.json: chat_template is .{1,100}; accepted: a text of at"):
        open_checkpoint(folder)


def test_the_default_of_several_chat_templates_is_taken(folder):
    (folder / "chat_template.jinja").unlink()
    templates = ["x", {"name": "tools", "template": "a"}, {"name": "default", "template": "b"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": templates}))
    assert open_checkpoint(folder).chat_template == "b"


def test_a_tokenizer_of_more_tokens_than_the_model_has_is_refused(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"][0]["id"] = tokenizer["model"]["vocab"]["<s>"] = VOCAB_SIZE + 5
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match=r"tokenizer.json: the tokenizer has a token 389; accepted: 0 to 383"):
        open_checkpoint(folder)
    tokenizer["model"]["vocab"] |= {f"more {number}": 400 + number for number in range(100)}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match=r"tokenizer.json: the tokenizer has 484 tokens; accepted: 1 to 384"):
        open_checkpoint(folder)


def test_a_tokenizer_neither_cuts_prompts_nor_fills_them_up(folder):
    padding = {"pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "<s>"}
    changes = {
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 2**40}, "direction": "Right"} | padding,
    }
    before = open_checkpoint(folder).tokenizer.encode("Two clocks in the station").ids
    edit_json(folder / "tokenizer.json", **changes)
    assert open_checkpoint(folder).tokenizer.encode("Two clocks in the station").ids == before


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float8_e4m3fn])
def test_weights_of_a_type_that_needs_a_scale_are_refused(folder, dtype):
    path, name = folder / "model.safetensors", "model.layers.1.mlp.down_proj.weight"
    tensors = load_file(path)
    save_file(tensors | {name: tensors[name].to(dtype)}, path)
    with pytest.raises(ModelError, match=rf"model.safetensors: '{name}' is of type \w+; accepted"):
        open_checkpoint(folder)


def test_a_tensor_of_unknown_name_is_named(folder):
    path = folder / "model.safetensors"
    save_file(load_file(path) | {"model.layers.0.mlp.experts.0.weight": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"unexpected tensor 'model.layers.0.mlp.experts.0.weight'"):
        open_checkpoint(folder)


def test_a_tensor_in_two_files_is_named(folder):
    shutil.copy(folder / "model.safetensors", folder / "more.safetensors")
    index = {"weight_map": {"a": "model.safetensors", "b": "more.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"more.safetensors: tensor 'model.[\w.]+' is in another file, too"):
        open_checkpoint(folder)


def test_a_token_that_only_looks_like_a_byte_is_a_text(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for name, text in (("c", "<0xZZ>"), ("b", "<0x0A>")):
        vocabulary[text] = vocabulary.pop(name)
    tokenizer |= {"decoder": None, "model": tokenizer["model"] | {"merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    codec = TextCodec(open_checkpoint(folder), 16)
    assert codec.token_bytes(vocabulary["<0xZZ>"]) == b"<0xZZ>"
    assert codec.token_bytes(vocabulary["<0x0A>"]) == b"\n"
