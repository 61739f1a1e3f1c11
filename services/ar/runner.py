"""Runs one step on the model: lays the batch out flat, computes, samples. Holds no state but model and cache."""

from itertools import groupby

import torch
from torch import Tensor

from services.ar.kv_cache import Chunk, Decodes, KVCache, PagedAttention, visible
from services.ar.model import Transformer
from services.ar.sampling import LogitsRow, sample
from services.ar.scheduler import Work
from services.ar.sequence import SampledToken


class Runner:
    """`run` turns a step's work into sampled tokens. Called from the engine's thread only.

    The distribution is over the first `num_output_tokens` of the vocabulary; the rest are there to prompt with.
    `is_exact`: a sequence attends in shapes that depend on its own length alone, not on the longest beside it.
    """

    def __init__(
        self, model: Transformer, cache: KVCache, num_output_tokens: int, num_threads: int, is_exact: bool = False
    ) -> None:
        self._model = model
        self._cache = cache
        self._num_output_tokens = num_output_tokens
        self._num_threads = num_threads
        self._is_exact = is_exact
        self._device = model.norm.weight.device

    def start(self) -> None:
        """Take this thread as the one that computes; a thread's arithmetic threads are its own."""
        torch.set_num_threads(self._num_threads)

    @torch.inference_mode()
    def run(self, batch: list[Work]) -> list[list[SampledToken]]:
        """Return, for each work, the tokens it brought: one if it completes, none if more of its prompt is to come.

        A scored text brings a token for each one computed.
        """
        order = sorted(range(len(batch)), key=lambda place: self._kind(batch[place]))
        results = dict(zip(order, self._run([batch[place] for place in order]), strict=True))
        return [results[place] for place in range(len(batch))]

    def _kind(self, work: Work) -> tuple[bool, int]:
        """Return what works have in common that are computed together: decodes first, in exact mode by length."""
        is_chunk = work.num_tokens > 1
        return is_chunk, 0 if is_chunk or not self._is_exact else self._num_blocks(work)

    def _num_blocks(self, work: Work) -> int:
        """Return how many blocks a decode attends to, at least; in exact mode a power of two, so that lengths meet."""
        num_blocks = work.sequence.num_computed_tokens // self._cache.block_size + 1
        return 1 << (num_blocks - 1).bit_length() if self._is_exact else num_blocks

    def _run(self, batch: list[Work]) -> list[list[SampledToken]]:
        layout = _Layout(batch, self._cache.block_size)
        hidden = self._model(
            torch.tensor(layout.token_ids, device=self._device),
            torch.tensor(layout.positions, device=self._device),
            self._attention(layout),
        )
        if not layout.logits_rows:
            return [[] for _ in batch]
        logits = self._model.logits(hidden[torch.tensor(layout.logits_indices, device=self._device)])
        tokens = iter(sample(logits[:, : self._num_output_tokens], layout.logits_rows))
        return [[next(tokens) for _ in range(count)] for count in layout.tokens_per_work]

    def _attention(self, layout: "_Layout") -> PagedAttention:
        return PagedAttention(
            self._cache,
            torch.tensor(layout.slots, device=self._device),
            self._decodes(layout.decodes),
            tuple(self._chunk(work, start) for work, start in layout.chunks),
        )

    def _decodes(self, works: list[Work]) -> tuple[Decodes, ...]:
        groups: list[Decodes] = []
        for _, group in groupby(works, self._kind):
            groups.append(self._group(list(group), groups[-1].stop if groups else 0))
        return tuple(groups)

    def _group(self, works: list[Work], start: int) -> Decodes:
        lengths = torch.tensor([work.sequence.num_computed_tokens + 1 for work in works])
        num_blocks = max(map(self._num_blocks, works))
        blocks = [_padded(work.sequence.block_table, num_blocks) for work in works]
        positions = torch.arange(num_blocks * self._cache.block_size)
        visible_keys = positions < lengths.unsqueeze(1)  # [B, S]
        if (window := self._model.config.sliding_window) is not None:
            visible_keys &= positions >= lengths.unsqueeze(1) - window
        bias = torch.zeros(visible_keys.shape).masked_fill(~visible_keys, -torch.inf).unsqueeze(1)
        dtype = self._model.norm.weight.dtype
        return Decodes(start, start + len(works), self._tensor(blocks).flatten(), bias.to(self._device, dtype))

    def _chunk(self, work: Work, start: int) -> Chunk:
        sequence, first = work.sequence, work.sequence.num_computed_tokens
        num_keys = first + work.num_tokens
        window = self._model.config.sliding_window
        mask = None
        if first or (window is not None and num_keys > window):
            mask = visible(first, work.num_tokens, num_keys, window).to(self._device)
        blocks = sequence.block_table[: -(-num_keys // self._cache.block_size)]
        return Chunk(start, start + work.num_tokens, self._tensor(blocks), mask, num_keys)

    def _tensor(self, values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, device=self._device)


def _padded(block_table: list[int], length: int) -> list[int]:
    return block_table[:length] + [0] * (length - len(block_table))


class _Layout:
    """A batch laid out flat, works of one token first: what stands in each row, and which rows' logits are wanted."""

    def __init__(self, batch: list[Work], block_size: int) -> None:
        self.token_ids: list[int] = []
        self.positions: list[int] = []
        self.slots: list[int] = []
        self.decodes: list[Work] = []
        self.chunks: list[tuple[Work, int]] = []
        self.logits_indices: list[int] = []
        self.logits_rows: list[LogitsRow] = []
        self.tokens_per_work: list[int] = []
        for work in batch:
            self._add(work, block_size)

    def _add(self, work: Work, block_size: int) -> None:
        sequence, start = work.sequence, len(self.token_ids)
        if work.num_tokens == 1:
            self.decodes.append(work)
        else:
            self.chunks.append((work, start))
        positions = range(sequence.num_computed_tokens, sequence.num_computed_tokens + work.num_tokens)
        self.token_ids.extend(sequence.token_ids[positions.start : positions.stop])
        self.positions.extend(positions)
        self.slots.extend(sequence.block_table[p // block_size] * block_size + p % block_size for p in positions)
        self._add_logits(work, start)

    def _add_logits(self, work: Work, start: int) -> None:
        sequence, before = work.sequence, len(self.logits_rows)
        if sequence.is_scored:
            first = sequence.num_computed_tokens
            following = sequence.token_ids[first + 1 : first + 1 + work.num_tokens]
            self.logits_rows.extend(LogitsRow(sequence, token_id) for token_id in following)
            self.logits_indices.extend(range(start, start + work.num_tokens))
        elif work.completes:
            self.logits_rows.append(LogitsRow(sequence))
            self.logits_indices.append(start + work.num_tokens - 1)
        self.tokens_per_work.append(len(self.logits_rows) - before)
