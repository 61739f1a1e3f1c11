"""A layer's keys and values as the kernel holds them; attention/float_cache.h and byte_cache.h have the layouts."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from services.ar.compute.memory import zeros
from services.ar.compute.native.library import LANES
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.config import ModelConfig
from services.ar.model.quantised import GROUP

CacheDtype: TypeAlias = Literal["float32", "float16", "int8"]
FORMATS: dict[CacheDtype, int] = {"float32": 0, "float16": 1, "int8": 2}
"""As model.h has them."""


@dataclass(frozen=True)
class LayerCache:
    """Keys and values [H_kv, num_blocks, ...]; with int8 the scales of both, too."""

    keys: Array
    values: Array
    key_scales: Array | None = None
    value_scales: Array | None = None


def layer_cache(config: ModelConfig, dtype: CacheDtype, num_blocks: int, block_size: int) -> LayerCache:
    """Return an empty cache, which takes memory as it is used. Raises MemoryError."""
    blocks = (config.num_kv_heads, num_blocks)
    if dtype != "int8":
        value_dim = _filled_up(config.head_dim, LANES)
        keys, values = (*blocks, config.head_dim, block_size), (*blocks, block_size, value_dim)
        return LayerCache(zeros(keys, FLOATS[dtype]), zeros(values, FLOATS[dtype]))
    dim, half = _filled_up(config.head_dim, GROUP), FLOATS["float16"]
    return LayerCache(
        keys=zeros((*blocks, dim, block_size), np.dtype(np.uint8)),
        values=zeros((*blocks, block_size, dim), np.dtype(np.uint8)),
        key_scales=zeros((*blocks, dim // GROUP, block_size), half),
        value_scales=zeros((*blocks, block_size), half),
    )


def _filled_up(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
