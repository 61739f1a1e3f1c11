"""Runs one step on the model: lays the batch out flat, computes, samples. Holds no state but model and cache."""

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
    """

    def __init__(self, model: Transformer, cache: KVCache, num_output_tokens: int, num_threads: int) -> None:
        self._model = model
        self._cache = cache
        self._num_output_tokens = num_output_tokens
        self._num_threads = num_threads
        self._device = model.norm.weight.device

    def start(self) -> None:
        """Take this thread as the one that computes; a thread's arithmetic threads are its own."""
        torch.set_num_threads(self._num_threads)

    @torch.inference_mode()
    def run(self, batch: list[Work]) -> list[list[SampledToken]]:
        """Return, for each work, the tokens it brought: one if it completes, none if more of its prompt is to come.

        A scored text brings a token for each one computed.
        """
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
            self._decodes(layout.decodes) if layout.decodes else None,
            tuple(self._chunk(work, start) for work, start in layout.chunks),
        )

    def _decodes(self, works: list[Work]) -> Decodes:
        lengths = torch.tensor([work.sequence.num_computed_tokens + 1 for work in works])
        num_blocks = -(-int(lengths.max()) // self._cache.block_size)
        blocks = [_padded(work.sequence.block_table, num_blocks) for work in works]
        positions = torch.arange(num_blocks * self._cache.block_size)
        visible_keys = positions < lengths.unsqueeze(1)  # [B, S]
        if (window := self._model.config.sliding_window) is not None:
            visible_keys &= positions >= lengths.unsqueeze(1) - window
        bias = torch.zeros(visible_keys.shape).masked_fill(~visible_keys, -torch.inf).unsqueeze(1)
        dtype = self._model.norm.weight.dtype
        return Decodes(len(works), self._tensor(blocks).flatten(), bias.to(self._device, dtype))

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
    """A batch laid out flat: what stands in each row, and which rows' logits are wanted."""

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
        if work.num_tokens == 1 and not self.chunks:
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
