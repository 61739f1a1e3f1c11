"""The transformer computed by torch, on a CPU or a GPU, over the paged cache."""

from itertools import groupby

import torch
from torch import Tensor

from services.ar.compute.runner import Computed
from services.ar.compute.torch.kv_cache import (
    Chunk,
    Decodes,
    KVCache,
    LayeredAttention,
    PagedAttention,
    StepFlags,
    visible,
)
from services.ar.compute.torch.sampling import TorchSampling
from services.ar.compute.torch.transformer import Attention, Transformer
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Layout, Work


class TorchForward(TorchSampling):
    """Implements `runner.Forward`.

    `is_exact`: a sequence attends in shapes that depend on its own length alone, not on the longest beside it.
    A drafted token attends as if it were decoded by itself, so that it comes to the same bits as without drafts.
    """

    def __init__(self, model: Transformer, cache: KVCache, num_threads: int, is_exact: bool = False) -> None:
        self._model = model
        self._cache = cache
        self._num_threads = num_threads
        self._is_exact = is_exact
        self._device = model.norm.weight.device

    def start(self) -> None:
        """Take this thread as the one that computes; a thread's arithmetic threads are its own."""
        torch.set_num_threads(self._num_threads)

    def kind(self, work: Work) -> int:
        return self._group_of(work.sequence.num_computed_tokens)

    def __call__(self, layout: Layout) -> Computed:
        num_rows = len(layout.token_ids)
        flags = StepFlags(num_rows, self._device)
        attention = self._attention(layout, flags.begin(num_rows))
        hidden = self._model(self._tensor(layout.token_ids), self._tensor(layout.text_positions), attention)
        flags.note_hidden(hidden)
        wanted = torch.tensor(layout.logits_indices, dtype=torch.long, device=self._device)
        logits = self._model.logits(hidden[wanted])
        flags.note_logits(wanted, logits)
        return Computed(logits, flags.bring(num_rows, layout.logits_indices))

    def _group_of(self, position: int) -> int:
        return self._num_blocks(position) if self._is_exact else 0

    def _num_blocks(self, position: int) -> int:
        """Return how many blocks a decode attends to, at least; in exact mode a power of two, so that lengths meet."""
        num_blocks = position // self._cache.block_size + 1
        return 1 << (num_blocks - 1).bit_length() if self._is_exact else num_blocks

    def _attention(self, layout: Layout, is_finite: Tensor) -> Attention:
        slots = self._tensor(layout.slots)
        singles = [*layout.decodes, *(work for work, _ in layout.chunks if work.is_decode)]
        chunks = [(work, start) for work, start in layout.chunks if not work.is_decode]

        def of_window(window: int | None) -> PagedAttention:
            attended = tuple(self._chunk(work, start, window) for work, start in chunks)
            return PagedAttention(self._cache, slots, self._decodes(singles, window), attended, is_finite)

        return LayeredAttention(self._model.config, of_window)

    def _decodes(self, works: list[Work], window: int | None) -> tuple[Decodes, ...]:
        rows = [(work.sequence, position) for work in works for position in work.positions]
        groups: list[Decodes] = []
        for _, group in groupby(rows, lambda row: self._group_of(row[1])):
            groups.append(self._group(list(group), groups[-1].stop if groups else 0, window))
        return tuple(groups)

    def _group(self, rows: list[tuple[Sequence, int]], start: int, window: int | None) -> Decodes:
        lengths = torch.tensor([position + 1 for _, position in rows])
        num_blocks = max(self._num_blocks(position) for _, position in rows)
        blocks = [_pad(sequence.block_table, num_blocks) for sequence, _ in rows]
        positions = torch.arange(num_blocks * self._cache.block_size)
        is_hidden = positions >= lengths.unsqueeze(1)  # [B, S]
        if window is not None:
            is_hidden |= positions < lengths.unsqueeze(1) - window
        is_hidden = is_hidden.unsqueeze(1).to(self._device)
        return Decodes(start, start + len(rows), self._tensor(blocks).flatten(), is_hidden)

    def _chunk(self, work: Work, start: int, window: int | None) -> Chunk:
        sequence, first = work.sequence, work.sequence.num_computed_tokens
        num_keys = first + work.num_tokens
        mask = None
        if first or (window is not None and num_keys > window):
            mask = visible(first, work.num_tokens, num_keys, window).to(self._device)
        blocks = sequence.block_table[: -(-num_keys // self._cache.block_size)]
        return Chunk(start, start + work.num_tokens, self._tensor(blocks), mask, num_keys)

    def _tensor(self, values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, device=self._device)


def _pad(block_table: list[int], length: int) -> list[int]:
    return block_table[:length] + [0] * (length - len(block_table))
