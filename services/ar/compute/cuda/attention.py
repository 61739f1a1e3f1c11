"""Attention of a step over the KV cache where it lies: blocks are read through block tables, nothing is gathered."""

from functools import partial

import torch
import triton
from torch import Tensor

from services.ar.compute.cuda import kernels
from services.ar.compute.cuda.inputs import StepRows
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.transformer import Attention
from services.ar.model.config import ModelConfig

_LOG2_E = 1.4426950408889634
_FEWEST_ROWS = 16  # of a matrix that tensor cores multiply
_ROWS_OF_A_CHUNK = {2: 64, 4: 16}  # by bytes a value: float32 has no tensor cores and fills the registers
# Of a tile, and as many of values: with those prefetched, at most 100 KB of shared memory. More float32 would spill.
_BYTES_OF_KEYS = {2: 16_384, 4: 8_192}
_FEWEST_KEYS_OF_A_SPLIT = 256

_Inputs = tuple[Tensor, Tensor, Tensor]
"""The step's queries, and a layer's keys and values."""
_Kind = dict[str, int | bool]
"""What kernels of single rows and of chunks differ in."""


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
        self.num_keys = min(max(_BYTES_OF_KEYS[dtype.itemsize] // (padded_dim * dtype.itemsize), 16), 64)
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
        self.tokens_of_a_tile = shapes.tokens_of_a_tile

    def __call__(self, rows: StepRows) -> Attention:
        return partial(self._attend_layer, rows)

    def _attend_layer(self, rows: StepRows, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        inputs = (query, *self._cache.layer(layer))
        self._write(rows, inputs, key, value)
        out = query.new_empty(query.shape)
        if rows.num_singles:
            self._attend_singles(rows, out, inputs)
        if (tiles := rows.tiles) is not None:
            kind = {"NUM_ROWS": self._shapes.chunk_rows, "NUM_SPLITS": 1, "IS_SINGLE": False}
            self._attend(rows, len(tiles), tiles, out, out, inputs, kind)
        return out

    def _write(self, rows: StepRows, inputs: _Inputs, key: Tensor, value: Tensor) -> None:
        query, keys, values = inputs
        slots, is_finite = rows.slots, rows.is_finite
        strides = (keys.stride(0), key.stride(0), value.stride(0), query.stride(0), slots.stride(0))
        grid = (len(key), self._shapes.num_kv_heads)
        sizes = {"LARGEST": torch.finfo(keys.dtype).max, "GROUP": self._shapes.heads["GROUP"], **self._shapes.dims}
        kernels.write[grid](keys, values, key, value, query, slots, is_finite, *strides, **sizes, num_warps=1)

    def _attend_singles(self, rows: StepRows, out: Tensor, inputs: _Inputs) -> None:
        num_rows, num_splits = rows.num_singles, self._shapes.num_splits(rows.num_singles)
        kind = {"NUM_ROWS": self._shapes.single_rows, "NUM_SPLITS": num_splits, "IS_SINGLE": True}
        unused = rows.tables
        if num_splits == 1:
            self._attend(rows, num_rows, unused, out, out, inputs, kind)
            return
        parts = out.new_empty((num_splits, num_rows, *out.shape[1:]), dtype=torch.float32)
        sums = parts.new_empty(parts.shape[:-1])
        self._attend(rows, num_rows, unused, parts, sums, inputs, kind)
        count = num_rows * out.shape[1]
        kernels.combine[(count,)](out, parts, sums, count, **self._shapes.dims, NUM_SPLITS=num_splits, num_warps=2)

    def _attend(
        self, rows: StepRows, num_tiles: int, tiles: Tensor, out: Tensor, sums: Tensor, inputs: _Inputs, kind: _Kind
    ) -> None:
        (query, keys, values), positions, tables = inputs, rows.positions, rows.tables
        strides = (query.stride(0), keys.stride(0), positions.stride(0), tables.stride(0))
        pointers = (out, sums, query, keys, values, positions, tables, tiles)
        grid = (num_tiles, self._shapes.num_kv_heads, kind["NUM_SPLITS"])
        options = {**self._shapes.heads, **kind, "NUM_KEYS": self._shapes.num_keys, "num_stages": 2}
        kernels.attend[grid](*pointers, num_tiles, *strides, self._shapes.scale, **options)
