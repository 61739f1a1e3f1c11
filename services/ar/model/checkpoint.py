"""What a checkpoint of any format is once opened: config, tokenizer if any, and tensors under Hugging Face's names."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tokenizers import Tokenizer

from services.ar.model.arrays import FLOATS
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import Weights, format_of, load_weights, pieces, rows_of

MAX_TEMPLATE_CHARACTERS = 1024 * 1024
_BITS = {"int8": 8.5, "int6": 7, "int5": 6, "int4": 5, "q4_0": 4.5}
"""Of a weight as the kernel holds it, scales and minima included; `matrix.h` has the formats."""
_CACHE_BYTES = {"float32": 4}
_HALF = 2


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint; tensors are read when `read_tensors` is called."""

    config: ModelConfig
    tokenizer: Tokenizer | None
    """None for a model whose tokens are no text."""
    read_tensors: Callable[[], Iterator[tuple[str, Weights]]]
    """Yields (name, tensor) one by one, so that two formats of all weights never lie in memory at once."""
    dtype: str = "float32"
    """What the matrices are stored in: float32 (or float16), bfloat16, int8 or int4."""
    eos_token_ids: frozenset[int] = frozenset()
    bos_token_id: int | None = None
    """Put before a plain text prompt; None if the model has none."""
    chat_template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    """What a chat template may use: bos_token, eos_token and so on."""


@dataclass(frozen=True)
class Cost:
    """What a checkpoint takes in memory, in bytes, as the native kernel holds them."""

    num_weights: int
    weights: int
    cache_of_a_token: int
    """Keys and values of all layers."""


def cost_of(checkpoint: Checkpoint) -> Cost:
    """Return what the model takes; reads all tensors, and keeps none. Raises ModelError if one cannot be read."""
    num_weights = num_bytes = 0
    for _, weights in checkpoint.read_tensors():
        if len(weights.shape) > 1:
            for bounds in pieces(weights.shape):
                load_weights(rows_of(weights, *bounds))
        count = math.prod(weights.shape)
        num_weights += count
        num_bytes += _bytes(weights, count)
    config = checkpoint.config
    numbers = 2 * config.num_layers * config.num_kv_heads * config.head_dim
    return Cost(num_weights, num_bytes, numbers * _CACHE_BYTES.get(checkpoint.dtype, _HALF))


def _bytes(weights: Weights, count: int) -> int:
    if len(weights.shape) == 1:
        return 4 * count  # vectors are held as float32
    format_ = format_of(weights)
    return int(count * _BITS[format_]) // 8 if format_ in _BITS else count * FLOATS[format_].itemsize
