"""The kernels against plain torch over random shapes, lengths, windows and block tables with holes."""

import random

import pytest
import torch
from torch import Tensor

from services.ar.compute.cuda.inputs import StepRows
from services.ar.compute.torch.kv_cache import Chunk, Decodes, KVCache, PagedAttention, visible
from services.ar.compute.torch.transformer import rotate
from services.ar.model.config import ModelConfig
from services.ar.model.rotary import rotary_table
from tests.unit.services.ar.compute.cuda.triton_device import DEVICE, DTYPES, needs_triton

pytestmark = needs_triton

TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
SHAPES = [  # key heads, query heads of each, head_dim
    (1, 1, 16),
    (2, 3, 64),
    (1, 7, 24),
    (3, 2, 80),
    (1, 20, 128),
    (1, 4, 256),
]


class Step:
    """Some decodes and chunks at random places of a cache full of random numbers."""

    def __init__(self, seed: int, config: ModelConfig, block_size: int, dtype: torch.dtype, longest: int = 150) -> None:
        self.source, self.config, self.dtype = random.Random(seed), config, dtype
        torch.manual_seed(seed)
        lengths = [self.source.randrange(longest) for _ in range(5)] + [0, block_size, block_size - 1]
        self.singles = [(first, 1) for first in lengths]
        self.chunks = [(0, 40), *((self.source.randrange(90), self.source.randrange(2, 80)) for _ in range(2))]
        self.works = self.singles + self.chunks
        num_blocks = sum(self._num_blocks(block_size, *work) for work in self.works)
        self.caches = [KVCache(config, num_blocks, block_size, dtype, DEVICE) for _ in range(2)]
        for mine, other in zip(*(cache.layer(1) for cache in self.caches), strict=True):
            other.copy_(mine.normal_())
        self._lay_out(num_blocks, block_size)

    @staticmethod
    def _num_blocks(block_size: int, first: int, count: int) -> int:
        return -(-(first + count) // block_size)

    def _lay_out(self, num_blocks: int, block_size: int) -> None:
        free = list(range(num_blocks))
        self.source.shuffle(free)
        self.tables = [[free.pop() for _ in range(self._num_blocks(block_size, *work))] for work in self.works]
        self.positions = [position for first, count in self.works for position in range(first, first + count)]
        owners = [number for number, (_, count) in enumerate(self.works) for _ in range(count)]
        self.slots = [
            self.tables[number][position // block_size] * block_size + position % block_size
            for number, position in zip(owners, self.positions, strict=True)
        ]

    def random_parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, key and value as they come out of one projection: not contiguous."""
        sizes = [n * self.config.head_dim for n in (self.config.num_heads, *[self.config.num_kv_heads] * 2)]
        joined = torch.randn(len(self.positions), sum(sizes), device=DEVICE).to(self.dtype)
        query, key, value = (part.unflatten(-1, (-1, self.config.head_dim)) for part in joined.split(sizes, dim=-1))
        return query, key, value

    def rows(self, tokens_of_a_tile: int) -> StepRows:
        width = max(map(len, self.tables)) + 3
        tables = torch.full((len(self.tables), width), 10**6, dtype=torch.int32)  # nobody may look behind a table
        for number, table in enumerate(self.tables):
            tables[number, : len(table)] = torch.tensor(table)
        tiles, start = [], len(self.singles)
        for number, (_, count) in enumerate(self.chunks, len(self.singles)):
            for first in range(0, count, tokens_of_a_tile):
                tiles.append((start + first, min(tokens_of_a_tile, count - first), number))
            start += count
        unused = [0] * len(self.positions)
        tokens = torch.tensor([unused, self.positions, self.slots]).T.contiguous().to(DEVICE)
        is_finite = torch.ones(len(self.positions), dtype=torch.uint8, device=DEVICE)
        tiles_ = torch.tensor(tiles, dtype=torch.int32).to(DEVICE)
        return StepRows(*tokens.unbind(1), tables.to(DEVICE), is_finite, len(self.singles), tokens[:, 1], tiles_)

    def oracle(self) -> PagedAttention:
        window, block_size = self.config.sliding_window, self.caches[1].block_size
        start = 0
        decodes, chunks = [], []
        for (first, count), table in zip(self.works, self.tables, strict=True):
            blocks = torch.tensor(table, device=DEVICE)
            mask = visible(first, count, len(table) * block_size, window).to(DEVICE)
            if count == 1:
                decodes.append(Decodes(start, start + 1, blocks, ~mask.unsqueeze(1)))
            else:
                chunks.append(Chunk(start, start + count, blocks, mask[:, : first + count], first + count))
            start += count
        slots = torch.tensor(self.slots, device=DEVICE)
        is_finite = torch.ones(len(self.positions), dtype=torch.uint8, device=DEVICE)
        return PagedAttention(self.caches[1], slots, tuple(decodes), tuple(chunks), is_finite)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("window", [None, 1, 50])
@pytest.mark.parametrize(("block_size", "num_processors"), [(16, 1), (7, 200)])
@pytest.mark.parametrize("shape", SHAPES)
@torch.inference_mode()
def test_attention_is_that_of_the_gathered_blocks(shape, block_size, num_processors, window, dtype):
    """On a device of many processors the keys of the single rows are split."""
    from services.ar.compute.cuda.attention import KernelShapes

    num_kv_heads, group, head_dim = shape
    config = ModelConfig(1, 1, 1, 2, num_kv_heads * group, num_kv_heads, head_dim, 2048, sliding_window=window)
    shapes = KernelShapes(config, block_size, dtype, 2048, num_processors)
    assert (shapes.num_splits(8) > 1) == (num_processors == 200 and window is None)
    check(shapes, Step(sum(shape) + block_size, config, block_size, dtype))


@torch.inference_mode()
def test_rows_longer_than_a_window_are_split_within_it():
    from services.ar.compute.cuda.attention import KernelShapes

    config = ModelConfig(1, 1, 1, 2, 4, 2, 32, 4096, sliding_window=600)
    shapes = KernelShapes(config, 16, torch.float32, 4096, num_processors=200)
    assert shapes.num_splits(8) == 2
    check(shapes, Step(3, config, 16, torch.float32, longest=1500))


def check(shapes, step: Step) -> None:
    """Keys and values must have been written alike, too."""
    from services.ar.compute.cuda.attention import BlockAttention

    query, key, value = step.random_parts()
    attention = BlockAttention(shapes, step.caches[0])
    actual = attention(step.rows(attention.tokens_of_a_tile))(1, query, key, value)
    expected = step.oracle()(1, query, key, value)
    torch.testing.assert_close(actual, expected, atol=TOLERANCE[step.dtype], rtol=0)
    for mine, other in zip(*(cache.layer(1) for cache in step.caches), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter is numpy, which warns of what is meant here
@torch.inference_mode()
def test_a_row_that_is_not_finite_is_noted_and_its_block_holds_finite_numbers(dtype, part, value):
    """Of a single row and of the last one of a chunk, in a head that is not the first, in query, key or value."""
    from services.ar.compute.cuda.attention import BlockAttention, KernelShapes

    step = Step(1, ModelConfig(1, 1, 1, 2, 6, 2, 24, 2048), 16, dtype)
    parts = step.random_parts()
    bad = [2, len(step.singles) + 39]
    parts[part][bad, 1, 5] = value
    attention = BlockAttention(KernelShapes(step.config, 16, dtype, 2048, num_processors=1), step.caches[0])
    rows = step.rows(attention.tokens_of_a_tile)
    out = attention(rows)(1, *parts)
    assert (rows.is_finite == 0).nonzero().flatten().tolist() == bad
    assert all(bool(cache.isfinite().all()) for cache in step.caches[0].layer(1))
    assert bool(out[rows.is_finite == 1].isfinite().all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("head_dim", [16, 24, 80, 128])
@torch.inference_mode()
def test_rotation_is_that_of_the_model(head_dim, dtype):
    from services.ar.compute.cuda.fused import rotate_in_place

    torch.manual_seed(head_dim)
    tables = rotary_table(ModelConfig(1, 1, 1, 1, 1, 1, head_dim, 512), 512)
    positions = torch.tensor([0, 511, 3, 77, 500])
    cos, sin = (torch.from_numpy(table)[positions].unsqueeze(1).to(DEVICE, dtype) for table in tables)
    joined = torch.randn(5, 5 * head_dim, device=DEVICE).to(dtype)
    x, rest = joined[:, : 3 * head_dim].unflatten(-1, (3, head_dim)), joined[:, 3 * head_dim :].clone()
    expected = rotate(x, cos, sin)
    rotate_in_place(x, cos, sin)
    torch.testing.assert_close(x, expected, atol=TOLERANCE[dtype], rtol=0)
    assert torch.equal(joined[:, 3 * head_dim :], rest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [1, 96, 1536])
@torch.inference_mode()
def test_the_gate_is_that_of_the_model(width, dtype):
    from services.ar.compute.cuda.fused import gated

    torch.manual_seed(width)
    gate, up = joined = torch.randn(2, 3, width, device=DEVICE).to(dtype)
    expected = torch.nn.functional.silu(gate) * up
    torch.testing.assert_close(
        gated(torch.cat([*joined], dim=-1), torch.nn.SiLU()), expected, atol=TOLERANCE[dtype], rtol=0.01
    )


def test_the_kernels_are_there():
    from services.ar.compute.torch.opening import what_is_missing

    assert what_is_missing(DEVICE) is None
