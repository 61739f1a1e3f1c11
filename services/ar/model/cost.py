"""What a checkpoint takes in memory: reads all of its tensors once, a piece at a time, and keeps none."""

import math
from dataclasses import dataclass

from services.ar.model.arrays import FLOATS
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import Weights, format_of, held, pieces, rows_of

_BITS = {"int8": 8.5, "int6": 7, "int5": 6, "int4": 5, "q4_0": 4.5, "iq4_nl": 4.5}
"""Of a weight as the kernel holds it, scales and minima included; `matrix.h` has the formats."""
_CACHE_BYTES = {"float32": 4}
_HALF = 2


@dataclass(frozen=True)
class Cost:
    """Sizes in bytes, as the native kernel holds them."""

    num_weights: int
    weights: int
    cache_of_a_token: int
    """Keys and values of all layers."""


def cost_of(checkpoint: Checkpoint) -> Cost:
    """Return what the model takes. Raises ModelError if a tensor cannot be read."""
    num_weights = num_bytes = 0
    for _, weights in checkpoint.read_tensors():
        if weights.ndim > 1:
            for bounds in pieces(weights.shape):
                held(rows_of(weights, *bounds))
        count = math.prod(weights.shape)
        num_weights += count
        num_bytes += _bytes(weights, count)
    return Cost(num_weights, num_bytes, _cache_of_a_token(checkpoint.config, checkpoint.dtype))


def _bytes(weights: Weights, count: int) -> int:
    if weights.ndim == 1:
        return 4 * count  # vectors are held as float32
    format_ = format_of(weights)
    return int(count * _BITS[format_]) // 8 if format_ in _BITS else count * FLOATS[format_].itemsize


def _cache_of_a_token(config: ModelConfig, dtype: str) -> int:
    numbers = 2 * config.num_layers * config.num_kv_heads * config.head_dim
    return numbers * _CACHE_BYTES.get(dtype, _HALF)
