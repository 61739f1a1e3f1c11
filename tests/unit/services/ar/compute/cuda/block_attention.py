"""What the kernels are to compute, row by row in plain torch; and a run of the engine's three parts around it."""

import random

import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.cuda.inputs import StepRows
from services.ar.compute.runner import Forward, Runner
from services.ar.compute.torch.kv_cache import KVCache, finite_rows, visible
from services.ar.compute.torch.transformer import Attention, Transformer
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.drafting import TextDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from tests.engine_loop import brought
from tests.tiny_models import VOCAB_SIZE

BLOCK_SIZE = 8
NUM_SEQUENCES = 4
MAX_BATCH_TOKENS = 33
MAX_CONTEXT_TOKENS = 128


class TorchBlockAttention:
    """Implements `forward.StepAttention`."""

    tokens_of_a_tile = 5

    def __init__(self, cache: KVCache, sliding_window: int | None) -> None:
        self._cache = cache
        self._window = sliding_window

    def __call__(self, rows: StepRows) -> Attention:
        tiles = [(row, 1, row) for row in range(rows.num_singles)]
        if rows.tiles is not None:
            tiles += [tuple(tile) for tile in rows.tiles.tolist()]

        def attend(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            rows.is_finite.logical_and_(finite_rows(torch.cat((query, key, value), dim=1)))
            self._cache.write(layer, rows.slots, key, value)
            out = torch.full_like(query, torch.nan)
            for first, count, table in tiles:
                out[first : first + count] = self._attend(layer, query[first : first + count], rows, first, table)
            return out

        return attend

    def _attend(self, layer: int, query: Tensor, rows: StepRows, first: int, table: int) -> Tensor:
        position = int(rows.positions[first])
        num_keys = position + len(query)
        blocks = rows.tables[table, : -(-num_keys // self._cache.block_size)]
        key, value = (x[:, :num_keys] for x in self._cache.gather(layer, blocks.long()))
        mask = visible(position, len(query), num_keys, self._window)
        out = functional.scaled_dot_product_attention(
            query.transpose(0, 1)[None], key[None], value[None], attn_mask=mask, enable_gqa=True
        )
        return out[0].transpose(0, 1)


def new_cache(model: Transformer, num_blocks: int) -> KVCache:
    """Return a cache of so many blocks and the one for padding."""
    weight = model.norm.weight
    return KVCache(model.config, num_blocks + 1, BLOCK_SIZE, weight.dtype, weight.device)


def some_sequences(num_tokens: int = 20) -> list[Sequence]:
    """Return more sequences than run at a time: greedy ones that repeat themselves, sampled ones, and a scored one."""
    source = random.Random(1)
    halves = [[source.randrange(VOCAB_SIZE) for _ in range(length)] for length in (1, 4, 8, 16, 20, 9)]
    return [
        Sequence(
            half * 2,
            SamplingParams(seed=number, temperature=0.7 * (number == 2), max_tokens=num_tokens, ignore_eos=True),
            is_scored=number == 5,
        )
        for number, half in enumerate(halves)
    ]


def run(
    forward: Forward, sequences: list[Sequence], num_blocks: int, num_drafted: int = 0
) -> tuple[list[list[SampledToken]], Scheduler]:
    """Run the sequences to their ends; return what each brought."""
    runner = Runner(forward, BLOCK_SIZE, VOCAB_SIZE)
    drafter = TextDrafter(num_drafted, max_rows=64) if num_drafted else None
    scheduler = Scheduler(BlockPool(num_blocks, BLOCK_SIZE), NUM_SEQUENCES, MAX_BATCH_TOKENS, drafter=drafter)
    runner.start()
    return brought(scheduler, runner, sequences), scheduler


def token_ids(outputs: list[list[SampledToken]]) -> list[list[int]]:
    return [[token.token_id for token in tokens] for tokens in outputs]
