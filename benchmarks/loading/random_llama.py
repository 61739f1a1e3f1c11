"""A llama of random weights in llama.cpp's Q4_0: TinyLlama's shape of 1.1 billion weights, or a smaller one.

Its tokenizer is SentencePiece's. What it says is noise, but it takes the memory and the time of a real one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import TokenType

_CONTROL, _NUM_BYTES = ("<unk>", "<s>", "</s>"), 256


@dataclass(frozen=True)
class LlamaShape:
    """Sizes of a llama whose head is a matrix of its own; widths are multiples of 256, for the head's type."""

    num_layers: int = 22
    hidden_size: int = 2048
    num_heads: int = 32
    num_kv_heads: int = 4
    intermediate_size: int = 5632
    vocab_size: int = 32_000


def write_random_llama(path: Path, shape: LlamaShape, seed: int = 0) -> Path:
    """Write the file: matrices in Q4_0 and the head in Q6_K, as llama-quantize has them, vectors in float32."""
    random, writer = np.random.default_rng(seed), gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape.num_layers)
    writer.add_context_length(2048)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.hidden_size // shape.num_heads)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    _add_tokenizer(writer, shape.vocab_size)
    for name, size in _tensors(shape):
        if len(size) == 1:
            writer.add_tensor(name, np.ones(size, np.float32))
        else:
            kind = Type.Q6_K if name == "output.weight" else Type.Q4_0
            writer.add_tensor(name, _blocks(random, size, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(shape: LlamaShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes, outputs before inputs."""
    hidden, inner = shape.hidden_size, shape.intermediate_size
    keys = shape.num_kv_heads * (hidden // shape.num_heads)
    yield "token_embd.weight", (shape.vocab_size, hidden)
    for layer in range(shape.num_layers):
        for name, size in (
            ("attn_norm", (hidden,)),
            ("attn_q", (hidden, hidden)),
            ("attn_k", (keys, hidden)),
            ("attn_v", (keys, hidden)),
            ("attn_output", (hidden, hidden)),
            ("ffn_norm", (hidden,)),
            ("ffn_gate", (inner, hidden)),
            ("ffn_up", (inner, hidden)),
            ("ffn_down", (hidden, inner)),
        ):
            yield f"blk.{layer}.{name}.weight", size
    yield "output_norm.weight", (hidden,)
    yield "output.weight", (shape.vocab_size, hidden)


def _blocks(random: np.random.Generator, size: tuple[int, ...], kind: Type) -> np.ndarray:
    """Return random blocks [outputs, bytes] whose weights are about as large as those of a trained matrix."""
    weights, num_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (size[0], size[1] // weights, num_bytes), np.uint8)
    # Steps of 4 bits are spread by 4.6; those of 6 bits by 18, and their scales of 8 bits by 74.
    scale, at = (1 / (18 * 74), 208) if kind is Type.Q6_K else (1 / 4.6, 0)
    blocks[..., at : at + 2] = np.array([scale * size[1] ** -0.5], np.float16).view(np.uint8)
    return blocks.reshape(size[0], -1)


def _add_tokenizer(writer: gguf.GGUFWriter, vocab_size: int) -> None:
    pieces = list(islice(_pieces(), vocab_size - len(_CONTROL) - _NUM_BYTES))
    tokens = [*_CONTROL, *(f"<0x{byte:02X}>" for byte in range(_NUM_BYTES)), *pieces]
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    types += [TokenType.BYTE] * _NUM_BYTES + [TokenType.NORMAL] * len(pieces)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(max(0, index - len(_CONTROL) - _NUM_BYTES)) for index in range(len(tokens))])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _pieces() -> Iterator[str]:
    """Yield all short words of small letters, with a space before them and without."""
    yield "▁"
    for length in (1, 2, 3, 4):
        for letters in product(ascii_lowercase, repeat=length):
            yield "".join(letters)
            yield "▁" + "".join(letters)
