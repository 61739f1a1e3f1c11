"""The transformer on a CUDA device: steps that only decode as CUDA graphs, those with prompts kernel by kernel."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from services.ar.compute.cuda.graphs import Run, StepGraphs
from services.ar.compute.cuda.inputs import StepInputs, StepRows
from services.ar.compute.runner import Computed
from services.ar.compute.torch.kv_cache import KVCache, StepFlags
from services.ar.compute.torch.sampling import TorchSampling
from services.ar.compute.torch.transformer import Attention, Transformer
from services.ar.engine.step import Layout, Work


class StepAttention(Protocol):
    """Makes the attention of a step."""

    @property
    def tokens_of_a_tile(self) -> int:
        """The most rows of a chunk that it takes in one tile."""

    def __call__(self, rows: StepRows) -> Attention: ...


class CudaForward(TorchSampling):
    """Implements `runner.Forward`.

    The last block of `cache` is no sequence's: padding rows of a captured step write there. `max_batch_tokens` of any
    step, `max_decode_rows` of one without prompts: one row a sequence and one a drafted token. `capture` makes graphs;
    without it every step goes kernel by kernel.
    """

    def __init__(
        self,
        model: Transformer,
        cache: KVCache,
        attention: StepAttention,
        max_context_tokens: int,
        max_batch_tokens: int,
        max_decode_rows: int,
        capture: Callable[[Run], Run] | None,
    ) -> None:
        self._model = model
        self._attention = attention
        self._device = model.norm.weight.device
        self._block_size = cache.block_size
        max_blocks = -(-max_context_tokens // cache.block_size)
        self._inputs = StepInputs(max_batch_tokens, max_blocks, cache.num_blocks - 1, cache.block_size, self._device)
        self._flags = StepFlags(max_batch_tokens, self._device)
        self._logits = torch.zeros((max_decode_rows, model.config.vocab_size), device=self._device)
        self._graphs = StepGraphs(self._decode, max_decode_rows, capture)

    @torch.inference_mode()
    def start(self) -> None:
        """Take a stream of its own for this thread and run the decode steps of all sizes."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)  # what was loaded was loaded on another stream
            torch.cuda.set_stream(torch.cuda.Stream(self._device))
        self._graphs.warm_up(lambda size: self._inputs.fill(Layout([], self._block_size), [], size))

    def kind(self, work: Work) -> int:
        return 0

    def __call__(self, layout: Layout) -> Computed:
        logits = self._compute(layout)
        return Computed(logits, self._flags.bring(len(layout.token_ids), layout.logits_indices))

    def _compute(self, layout: Layout) -> Tensor:
        chunks = [(work, start) for work, start in layout.chunks if not work.is_decode]
        singles = [*layout.decodes, *(work for work, _ in layout.chunks if work.is_decode)]
        tables = [work.sequence.block_table for work in singles for _ in work.positions]
        size = None if chunks else self._graphs.size_for(len(tables))
        if size is None:
            return self._run(layout, tables, chunks)
        self._inputs.fill(layout, tables, size)
        self._graphs(size)
        logits, wanted = self._logits[: len(tables)], layout.logits_indices
        return logits if wanted == list(range(len(tables))) else logits[self._tensor(wanted)]

    def _decode(self, size: int) -> None:
        """Compute the first rows of the inputs, all of them single, and leave their logits where all find them."""
        hidden = self._hidden(self._inputs.rows(self._flags.begin(size), num_singles=size))
        self._logits[:size].copy_(self._model.head(hidden))
        self._flags.note_logits(slice(size), self._logits[:size])

    def _run(self, layout: Layout, single_tables: list[list[int]], chunks: list[tuple[Work, int]]) -> Tensor:
        num_singles, num_rows = len(single_tables), len(layout.token_ids)
        self._inputs.fill(layout, single_tables + [work.sequence.block_table for work, _ in chunks], num_rows)
        tiles = self._tensor(self._tiles(chunks, num_singles), torch.int32) if chunks else None
        hidden = self._hidden(self._inputs.rows(self._flags.begin(num_rows), num_singles, tiles))
        wanted = self._tensor(layout.logits_indices)
        logits = self._model.logits(hidden[wanted])
        self._flags.note_logits(wanted, logits)
        return logits

    def _hidden(self, rows: StepRows) -> Tensor:
        hidden: Tensor = self._model(rows.token_ids, rows.text_positions, self._attention(rows))
        self._flags.note_hidden(hidden)
        return hidden

    def _tiles(self, chunks: list[tuple[Work, int]], num_singles: int) -> list[tuple[int, int, int]]:
        """Return, for each piece of a chunk that is one tile: its first row, number of rows and table."""
        width = self._attention.tokens_of_a_tile
        return [
            (start + first, min(width, work.num_tokens - first), num_singles + number)
            for number, (work, start) in enumerate(chunks)
            for first in range(0, work.num_tokens, width)
        ]

    def _tensor(self, values: Sequence[int] | Sequence[tuple[int, ...]], dtype: torch.dtype = torch.long) -> Tensor:
        on_host = torch.tensor(values, dtype=dtype, pin_memory=self._device.type == "cuda")
        return on_host.to(self._device, non_blocking=True)
