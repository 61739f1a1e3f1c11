"""Attention of a step over the KV cache where it lies: blocks are read through block tables, nothing is gathered."""

from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor

from services.ar.compute.cuda import kernels
from services.ar.compute.cuda.inputs import StepRows
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.model.config import ModelConfig

_LOG2_E = 1.4426950408889634
_FEWEST_ROWS = 16  # of a matrix that tensor cores multiply
_ROWS_OF_A_CHUNK = {2: 64, 4: 16}  # by bytes a value: float32 has no tensor cores and fills the registers
_BYTES_OF_KEYS = 16_384  # of a tile, and as many of values: with those prefetched, at most 100 KB of shared memory
_FEWEST_KEYS_OF_A_SPLIT = 256


class KernelShapes:
    """Sizes of the kernels for a model's heads, the cache's blocks and a device of so many processors.

    `max_keys`: that a token may look at.
    """

    def __init__(
        self, config: ModelConfig, block_size: int, dtype: torch.dtype, max_keys: int, num_processors: int
    ) -> None:
        padded_dim = max(_FEWEST_ROWS, triton.next_power_of_2(config.head_dim))
        group, window = config.num_heads // config.num_kv_heads, config.sliding_window or 0
        self.num_kv_heads = config.num_kv_heads
        self.scale = config.head_dim**-0.5 * _LOG2_E
        self.dims = {"HEAD_DIM": config.head_dim, "PADDED_DIM": padded_dim}
        self.heads = {**self.dims, "GROUP": group, "BLOCK_SIZE": block_size, "WINDOW": window}
        self.num_keys = min(max(_BYTES_OF_KEYS // (padded_dim * dtype.itemsize), 16), 64)
        self.single_rows: int = max(_FEWEST_ROWS, triton.next_power_of_2(group))
        self.chunk_rows: int = max(_ROWS_OF_A_CHUNK[dtype.itemsize], self.single_rows)
        self.tokens_of_a_tile: int = self.chunk_rows // group
        self._max_keys = min(max_keys, config.sliding_window or max_keys)
        self._num_processors = num_processors

    def num_splits(self, num_singles: int) -> int:
        """Return over how many programs, a power of two, a row's keys are split: until all processors have work."""
        wanted = 2 * self._num_processors // (num_singles * self.num_kv_heads)
        most = self._max_keys // _FEWEST_KEYS_OF_A_SPLIT
        return 1 << max(min(wanted, most), 1).bit_length() - 1


class BlockAttention:
    """Implements `forward.StepAttention` with Triton."""

    def __init__(self, shapes: KernelShapes, cache: KVCache) -> None:
        self._shapes = shapes
        self._cache = cache

    @property
    def tokens_of_a_tile(self) -> int:
        return self._shapes.tokens_of_a_tile

    def __call__(self, rows: StepRows) -> "_OfStep":
        return _OfStep(self._shapes, self._cache, rows)


@dataclass(frozen=True)
class _OfStep:
    """Implements `model.Attention`."""

    shapes: KernelShapes
    cache: KVCache
    rows: StepRows

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = self.cache.layer(layer)
        self._write(keys, values, key, value, query)
        out = query.new_empty(query.shape)
        if self.rows.num_singles:
            self._attend_singles(out, query, keys, values)
        if (tiles := self.rows.tiles) is not None:
            kind = {"NUM_ROWS": self.shapes.chunk_rows, "NUM_SPLITS": 1, "IS_SINGLE": False}
            self._attend(len(tiles), tiles, out, out, query, keys, values, kind)
        return out

    def _write(self, keys: Tensor, values: Tensor, key: Tensor, value: Tensor, query: Tensor) -> None:
        slots, is_finite = self.rows.slots, self.rows.is_finite
        strides = (keys.stride(0), key.stride(0), value.stride(0), query.stride(0), slots.stride(0))
        grid = (len(key), self.shapes.num_kv_heads)
        sizes = {"LARGEST": torch.finfo(keys.dtype).max, "GROUP": self.shapes.heads["GROUP"], **self.shapes.dims}
        kernels.write[grid](keys, values, key, value, query, slots, is_finite, *strides, **sizes, num_warps=1)

    def _attend_singles(self, out: Tensor, query: Tensor, keys: Tensor, values: Tensor) -> None:
        num_rows, num_splits = self.rows.num_singles, self.shapes.num_splits(self.rows.num_singles)
        kind = {"NUM_ROWS": self.shapes.single_rows, "NUM_SPLITS": num_splits, "IS_SINGLE": True}
        unused = self.rows.tables
        if num_splits == 1:
            self._attend(num_rows, unused, out, out, query, keys, values, kind)
            return
        parts = out.new_empty((num_splits, num_rows, *out.shape[1:]), dtype=torch.float32)
        sums = parts.new_empty(parts.shape[:-1])
        self._attend(num_rows, unused, parts, sums, query, keys, values, kind)
        count = num_rows * out.shape[1]
        kernels.combine[(count,)](out, parts, sums, count, **self.shapes.dims, NUM_SPLITS=num_splits, num_warps=2)

    def _attend(
        self,
        num_tiles: int,
        tiles: Tensor,
        out: Tensor,
        sums: Tensor,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        kind: dict[str, Any],
    ) -> None:
        positions, tables = self.rows.positions, self.rows.tables
        strides = (query.stride(0), keys.stride(0), positions.stride(0), tables.stride(0))
        pointers = (out, sums, query, keys, values, positions, tables, tiles)
        grid = (num_tiles, self.shapes.num_kv_heads, kind["NUM_SPLITS"])
        options = {**self.shapes.heads, **kind, "NUM_KEYS": self.shapes.num_keys, "num_stages": 2}
        kernels.attend[grid](*pointers, num_tiles, *strides, self.shapes.scale, **options)
