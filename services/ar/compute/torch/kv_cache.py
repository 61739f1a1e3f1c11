"""The KV cache and attention over it: keys and values live in blocks, found through each sequence's block table.

Paged attention (Kwon et al. 2023). Knows tensors and block numbers, nothing of sequences or policy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.memory import zeros
from services.ar.compute.torch.transformer import Attention
from services.ar.model.config import ModelConfig


def finite_rows(x: Tensor) -> Tensor:
    """Return, for each row of x [T, ...], whether all of its values are finite: [T] bool."""
    return x.flatten(1).abs().amax(dim=1).float().isfinite()  # the largest magnitude is NaN if any value is


class StepFlags:
    """Two flags for each of up to `max_rows` rows: what the layers computed is finite, and its logits are."""

    def __init__(self, max_rows: int, device: torch.device) -> None:
        self._flags = torch.ones((2, max_rows), dtype=torch.uint8, device=device)

    def begin(self, num_rows: int) -> Tensor:
        """Take the first rows as finite; return their flags [T] uint8, which attention sets to 0 where they are not."""
        self._flags[:, :num_rows] = 1
        return self._flags[0, :num_rows]

    def note_hidden(self, hidden: Tensor) -> None:
        """Note the last hidden states [T, hidden_size] of the first rows."""
        self._flags[0, : len(hidden)].logical_and_(finite_rows(hidden))

    def note_logits(self, rows: slice | Tensor, logits: Tensor) -> None:
        """Note the logits [N, vocab_size] of the rows named."""
        self._flags[1, rows] = finite_rows(logits).to(torch.uint8)

    def bring(self, num_rows: int, wanted: list[int]) -> list[bool]:
        """Wait for the device and return a flag for each row, of logits as well for the rows whose were `wanted`."""
        of_rows, of_logits = self._flags[:, :num_rows].tolist()
        ignored = set(range(num_rows)).difference(wanted)
        return [bool(of_rows[row] and (row in ignored or of_logits[row])) for row in range(num_rows)]


class KVCache:
    """One tensor for all layers: [layers, 2, H_kv, blocks, block_size, D].

    The heads come before the blocks, so that a batch's blocks, once gathered, are matrices that need no further copy.
    """

    def __init__(
        self, config: ModelConfig, num_blocks: int, block_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        shape = (config.num_layers, 2, config.num_kv_heads, num_blocks, block_size, config.head_dim)
        self.block_size = block_size
        self._layers = _zeros(shape, dtype, device)

    @property
    def num_bytes(self) -> int:
        return self._layers.nbytes

    @property
    def num_blocks(self) -> int:
        return self._layers.shape[3]

    def layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return where a layer's keys and values are: each [H_kv, blocks, block_size, D]."""
        both = self._layers[layer]
        return both[0], both[1]

    def write(self, layer: int, slots: Tensor, key: Tensor, value: Tensor) -> None:
        """Store key and value [T, H_kv, D], saturated, at slots [T]; slot = block * block_size + offset."""
        flat = self._layers[layer].flatten(2, 3)  # [2, H_kv, blocks * block_size, D]
        for half, part in zip(flat, (key, value), strict=True):
            half.index_copy_(1, slots, saturate(part, half.dtype).transpose(0, 1))

    def gather(self, layer: int, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """Return key and value of the blocks [N]: each [H_kv, N * block_size, D]."""
        both = self._layers[layer].index_select(2, blocks).flatten(2, 3)
        return both[0], both[1]


def saturate(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x in `dtype`: what lies beyond its range becomes its largest number of that sign, NaN becomes 0.

    A block must never hold a number that is not finite: attention gathers whole blocks, and a weight of 0 times NaN is
    NaN, for the next sequence that has the block as well.
    """
    largest = torch.finfo(dtype).max
    if x.dtype is not dtype:
        x = x.clamp(-largest, largest)
    return x.nan_to_num(nan=0.0, posinf=largest, neginf=-largest).to(dtype)


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.from_numpy(zeros((math.prod(shape) * dtype.itemsize,), np.dtype(np.uint8))).view(dtype).view(shape)


@dataclass(frozen=True)
class Chunk:
    """Several new tokens of one sequence: rows `start` to `stop` of the batch, the last at `num_keys - 1`."""

    start: int
    stop: int
    blocks: Tensor  # [blocks that hold num_keys tokens]
    mask: Tensor | None  # [stop - start, num_keys] bool, True where a query may look; None: plain causal from 0
    num_keys: int


@dataclass(frozen=True)
class Decodes:
    """One new token of each of some sequences: rows `start` to `stop` of the batch, before all chunks."""

    start: int
    stop: int
    blocks: Tensor  # [size * max_blocks], short tables filled up with block 0
    is_hidden: Tensor  # [size, 1, max_blocks * block_size] bool, True where a query may not look


@dataclass(frozen=True)
class PagedAttention:
    """Attention of one step; implements `model.Attention`. Rows: first the decodes, then chunk after chunk."""

    cache: KVCache
    slots: Tensor  # [T], where each row's key and value go
    decodes: tuple[Decodes, ...]
    chunks: tuple[Chunk, ...]
    is_finite: Tensor  # [T] uint8, set to 0 where a query, key or value is not finite

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        self.is_finite.logical_and_(finite_rows(torch.cat((query, key, value), dim=1)))
        self.cache.write(layer, self.slots, key, value)
        parts = [self._attend_decodes(layer, query[d.start : d.stop], d) for d in self.decodes]
        parts.extend(self._attend_chunk(layer, query[c.start : c.stop], c) for c in self.chunks)
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend_decodes(self, layer: int, query: Tensor, decodes: Decodes) -> Tensor:
        key, value = self.cache.gather(layer, decodes.blocks)  # [H_kv, B * S, D]
        num_kv_heads, _, head_dim = key.shape
        size, scale = len(query), head_dim**-0.5
        grouped = query.view(size, num_kv_heads, -1, head_dim).transpose(0, 1)  # [H_kv, B, G, D]
        key, value = (x.view(num_kv_heads * size, -1, head_dim) for x in (key, value))  # [H_kv * B, S, D]
        scores = torch.bmm(grouped.flatten(0, 1), key.transpose(1, 2))  # [H_kv * B, G, S]
        scores = scores.view(num_kv_heads, size, *scores.shape[1:]) * scale
        # Not added: a score of another sequence's key that overflows plus -inf would be NaN.
        scores.masked_fill_(decodes.is_hidden, -torch.inf)
        weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        out = torch.bmm(weights.flatten(0, 1), value)  # [H_kv * B, G, D]
        return out.view(num_kv_heads, size, *out.shape[1:]).transpose(0, 1).flatten(1, 2)  # [B, H, D]

    def _attend_chunk(self, layer: int, query: Tensor, chunk: Chunk) -> Tensor:
        key, value = (x[:, : chunk.num_keys] for x in self.cache.gather(layer, chunk.blocks))  # [H_kv, S, D]
        return functional.scaled_dot_product_attention(
            query.transpose(0, 1).unsqueeze(0),
            key.unsqueeze(0),
            value.unsqueeze(0),
            attn_mask=chunk.mask,
            is_causal=chunk.mask is None,
            enable_gqa=True,
        )[0].transpose(0, 1)


class LayeredAttention:
    """The attention that each layer's window asks for, of those that `make` makes; implements `model.Attention`."""

    def __init__(self, config: ModelConfig, make: Callable[[int | None], Attention]) -> None:
        windows = [config.window(layer) for layer in range(config.num_layers)]
        by_window = {window: make(window) for window in set(windows)}
        self._of_layers = [by_window[window] for window in windows]

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return self._of_layers[layer](layer, query, key, value)


def visible(first_position: int, num_queries: int, num_keys: int, window: int | None) -> Tensor:
    """Return [num_queries, num_keys] bool: which keys the queries from `first_position` on may look at."""
    queries = torch.arange(first_position, first_position + num_queries).unsqueeze(1)
    keys = torch.arange(num_keys)
    mask = keys <= queries
    return mask if window is None else mask & (keys > queries - window)
