"""Tiny random transformers, a tokenizer and an image tokenizer, made on the spot: real code paths, no downloads."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tandem.shared.file_hashes import sha256_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

VOCAB_SIZE = 384
_SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FAMILIES = {
    "llama": lambda: transformers.LlamaConfig(**_SHAPE, tie_word_embeddings=True),
    "llama3-rope": lambda: transformers.LlamaConfig(
        **_SHAPE,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ),
    "mistral": lambda: transformers.MistralConfig(**_SHAPE, sliding_window=16, head_dim=16),
    "qwen2": lambda: transformers.Qwen2Config(**_SHAPE),
    "qwen3": lambda: transformers.Qwen3Config(**_SHAPE, head_dim=24),
    "phi3": lambda: transformers.Phi3Config(**_SHAPE, pad_token_id=0),
    "gemma3": lambda: transformers.Gemma3TextConfig(
        **_SHAPE,
        head_dim=24,
        sliding_window=16,
        query_pre_attn_scalar=40,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 100_000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
    ),
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def save_tiny_model(folder: Path, family: str = "llama", **changes: Any) -> transformers.PreTrainedModel:
    """Write a Hugging Face directory with random float32 weights and return transformers' own model of it.

    `changes`: of its configuration.
    """
    torch.manual_seed(5)
    config = FAMILIES[family]()
    config.update(changes)
    reference = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    for name, parameter in reference.named_parameters():
        if family in ("phi3", "gemma3") and "norm" in name:  # a Gemma's have 1 added
            torch.nn.init.normal_(parameter, std=0.2)
        if name.endswith(".bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    reference.eval().save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return reference


def tiny_tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer of VOCAB_SIZE tokens; any text can be encoded, byte by byte if need be."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=["<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_TEXT], trainer)
    return tokenizer


def add_to_repository(
    models_dir: Path, name: str = "tiny", family: str = "llama", window: int | None = None, **changes: Any
) -> transformers.PreTrainedModel:
    """Make an entry of a model repository whose weights are a tiny random model; return transformers' model of it.

    With `window` the model has MASK as its last token, and takes steps; 0: from left to right, else in a spread order.
    `changes`: of its configuration.
    """
    folder = models_dir / name
    changes |= {} if window is None else {"vocab_size": VOCAB_SIZE + 1}
    reference = save_tiny_model(folder / "weights", family, **changes)
    lines = ['kind = "transformer"', 'modality = "text"', 'licence = "Apache-2.0"', 'huggingface = "weights"']
    if window is not None:
        lines += ["[text_tokens]", f"mask_token = {VOCAB_SIZE}"]
    if window:
        lines += ['order = "spread"', f"window = {window}"]
    (folder / "model.toml").write_text("\n".join(lines))
    return reference


# A tiny sequential image model: 28 x 28 pixels, 7 x 7 tokens, each of which paints its cell of 4 x 4 pixels.
GRID, CELL, NUM_CODES, NUM_CLASSES = 7, 4, 512, 10
SIDE, NUM_TOKENS, FIRST_CLASS_TOKEN = GRID * CELL, GRID * GRID, NUM_CODES
# Of the model that generates several tokens a step.
MASK_TOKEN, STEPS_ORDER = NUM_CODES + NUM_CLASSES, tuple(10 * place % NUM_TOKENS for place in range(NUM_TOKENS))
CLASS_NAMES = tuple(f"class {number}" for number in range(NUM_CLASSES))


def code_patches() -> np.ndarray:
    """Return what each code paints: [NUM_CODES, CELL * CELL] float32 in -1..1, on the 256 levels of a byte.

    Two pixels of it tell the code.
    """
    levels = np.random.default_rng(7).integers(0, 256, (NUM_CODES, CELL * CELL))
    levels[:, 0], levels[:, 1] = np.arange(NUM_CODES) // 32 * 16, np.arange(NUM_CODES) % 32 * 8
    return (levels * (2.0 / 255.0) - 1.0).astype(np.float32)


def painted(tokens: list[int]) -> np.ndarray:
    """Return the image [SIDE, SIDE, 1] of a whole image's tokens, as the tiny token decoder gives it."""
    patches = code_patches()[tokens].reshape(GRID, GRID, CELL, CELL)
    return patches.transpose(0, 2, 1, 3).reshape(SIDE, SIDE, 1)


def write_token_decoder(path: Path) -> None:
    """Write an ONNX file: tokens [B, 49] int64 to images [B, 1, 28, 28]."""
    nodes = [
        helper.make_node("Gather", ["patches", "tokens"], ["cells"]),
        helper.make_node("Reshape", ["cells", "cell_shape"], ["grid"]),
        helper.make_node("Transpose", ["grid"], ["rows"], perm=[0, 1, 3, 2, 4]),
        helper.make_node("Reshape", ["rows", "image_shape"], ["image"]),
    ]
    constants = {
        "patches": code_patches(),
        "cell_shape": np.array([-1, GRID, GRID, CELL, CELL]),
        "image_shape": np.array([-1, 1, SIDE, SIDE]),
    }
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", NUM_TOKENS])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    _save_onnx(path, nodes, tokens, image, constants)


def write_token_encoder(path: Path) -> None:
    """Write the inverse of the token decoder, for what it paints: images to tokens."""
    nodes = [
        helper.make_node("Reshape", ["image", "cell_shape"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["grid"], perm=[0, 1, 3, 2, 4]),
        helper.make_node("Reshape", ["grid", "patch_shape"], ["cells"]),
        # The first two pixels, as bytes, are 16 times the code's upper part and 8 times its lower one.
        helper.make_node("MatMul", ["cells", "place"], ["sums"]),
        helper.make_node("Add", ["sums", "offset"], ["codes"]),
        helper.make_node("Squeeze", ["codes", "axis"], ["flat"]),
        helper.make_node("Round", ["flat"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["tokens"], to=TensorProto.INT64),
    ]
    place = np.zeros((CELL * CELL, 1), np.float32)
    place[:2, 0] = 127.5 / 16 * 32, 127.5 / 8
    constants = {
        "cell_shape": np.array([-1, GRID, CELL, GRID, CELL]),
        "patch_shape": np.array([-1, NUM_TOKENS, CELL * CELL]),
        "place": place,
        "offset": place.sum(keepdims=True),
        "axis": np.array([2]),
    }
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, ["batch", NUM_TOKENS])
    _save_onnx(path, nodes, image, tokens, constants)


def _save_onnx(path: Path, nodes: list, entry: object, exit_: object, constants: dict[str, np.ndarray]) -> None:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", [entry], [exit_], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def add_image_model(
    models_dir: Path, name: str = "tiny-image", has_encoder: bool = True, takes_steps: bool = False
) -> Path:
    """Make an entry of a model repository that is a tiny random sequential image model; return its folder."""
    folder = models_dir / name
    torch.manual_seed(6)
    config = transformers.LlamaConfig(
        vocab_size=NUM_CODES + NUM_CLASSES + takes_steps,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1 + NUM_TOKENS,
        initializer_range=0.5,
        tie_word_embeddings=True,
    )
    transformers.LlamaForCausalLM(config).eval().save_pretrained(folder)
    write_token_decoder(folder / "token_decoder.onnx")
    write_token_encoder(folder / "token_encoder.onnx")
    weights = ("model.safetensors", "token_decoder.onnx", "token_encoder.onnx")
    lines = [
        'kind = "transformer"',
        'modality = "image"',
        'licence = "MIT"',
        'huggingface = "."',
        "[files]",
        *(f'"{file}" = "{sha256_of(folder / file)}"' for file in weights),
        "[image]",
        f"shape = [{SIDE}, {SIDE}, 1]",
        f"class_names = {list(CLASS_NAMES)}",
        "[image_tokens]",
        f"grid = [{GRID}, {GRID}]",
        f"num_codes = {NUM_CODES}",
        f"first_class_token = {FIRST_CLASS_TOKEN}",
        'decoder = "token_decoder.onnx"',
        *(['encoder = "token_encoder.onnx"'] if has_encoder else []),
        *([f"mask_token = {MASK_TOKEN}", f"order = {list(STEPS_ORDER)}"] if takes_steps else []),
    ]
    (folder / "model.toml").write_text("\n".join(lines))
    return folder


_TEXT = """
The two clocks in the station had been made by the same hand, and still they never agreed. One of them counted each
second with a small sound, like somebody who lays coins on a table; the other was silent and moved its hand once a
minute, all at once. Travellers looked at the first when they were waiting and at the second when they were late.
"""
