"""Numbers that are not finite, or larger than a cache holds, in every backend: they stay with the rows they came from.

A bad row is told by its flag; its neighbours have the bits that they have without it; the cache holds finite numbers
alone, so that the next sequence that has a block, or shares it, meets nothing of it.
"""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from services.ar.compute.runner import Forward
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.weights import open_checkpoint
from tests.crafted_checkpoints import with_bad_token, with_bad_weights, with_large_keys_and_values
from tests.kernels import USABLE_LEVELS
from tests.tiny_models import save_tiny_model
from tests.unit.services.ar.compute.backends import BLOCK_SIZE, open_cuda, open_native, open_torch, open_triton
from tests.unit.services.ar.compute.cuda.triton_device import needs_triton
from tests.unit.services.ar.compute.native.formats import DTYPES

pytestmark = pytest.mark.usefixtures("without_gradients")

NATIVE = [
    *(pytest.param(open_native(dtype), id=f"native-{dtype}") for dtype in DTYPES),
    pytest.param(open_native("int4", cache_dtype="int8"), id="native-int4-bytes"),
]
BACKENDS = [
    *NATIVE,
    pytest.param(open_torch(torch.float32), id="torch-float32"),
    pytest.param(open_torch(torch.bfloat16), id="torch-bfloat16"),
    pytest.param(open_torch(torch.float32, is_exact=True), id="torch-exact"),
    pytest.param(open_cuda(has_graphs=False), id="cuda"),
    pytest.param(open_cuda(has_graphs=True), id="cuda-graphs"),
    # Triton's interpreter is numpy, which warns of just those numbers that are meant here.
    pytest.param(open_triton, id="triton", marks=[needs_triton, pytest.mark.filterwarnings("ignore::RuntimeWarning")]),
]
BAD, GOOD = 300, 200  # tokens
TEXT = [7 * i % 199 for i in range(60)]


@pytest.fixture
def without_gradients():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen2")
    save_tiny_model(folder, "qwen2")
    return open_checkpoint(folder)


@dataclass(frozen=True)
class Part:
    """What came of one work: logits [wanted, vocab_size] and a flag for each of its rows."""

    logits: Tensor
    flags: list[bool]


def scored(token_ids: list[int], blocks: list[int], num_computed: int = 0) -> Sequence:
    """Return a sequence of which the logits of every token are wanted."""
    sequence = Sequence([*token_ids, 0], SamplingParams(logprobs=True), is_scored=True)
    sequence.block_table.extend(blocks)
    sequence.num_computed_tokens = num_computed
    return sequence


def step(forward: Forward, *works: tuple[Sequence, int]) -> list[Part]:
    """Compute so many tokens of each sequence together; return what came of each, in the order given."""
    order = sorted(range(len(works)), key=lambda place: works[place][1] > 1)
    layout = Layout([Work(*works[place]) for place in order], BLOCK_SIZE)
    computed = forward(layout)
    logits = torch.as_tensor(computed.logits).cpu().clone().split(layout.tokens_per_work)
    flags = torch.tensor(list(computed.is_finite)).split([works[place][1] for place in order])
    for sequence, num_tokens in works:
        sequence.num_computed_tokens += num_tokens
    parts = {place: Part(logits[at], flags[at].tolist()) for at, place in enumerate(order)}
    return [parts[place] for place in range(len(works))]


@pytest.mark.parametrize("opened", BACKENDS)
def test_keys_and_values_beyond_a_half_float_are_finite_rows(checkpoint, opened):
    found = opened(with_large_keys_and_values(checkpoint))
    (part,) = step(found.forward, (scored(TEXT, [3, 1, 7, 5]), len(TEXT)))
    assert part.flags == [True] * len(TEXT)
    assert bool(part.logits.isfinite().all())
    assert found.holds_only_finite_numbers()
    steps = 127 if any(cache.dtype == torch.uint8 for cache in found.caches) else 1
    assert max(float(cache.abs().max()) for cache in found.caches) * steps >= 65_504


@pytest.mark.parametrize("opened", NATIVE)
def test_saturated_rows_do_not_depend_on_company_or_on_where_a_text_is_cut(checkpoint, opened):
    large = with_large_keys_and_values(checkpoint)
    (whole,) = step(opened(large).forward, (scored(TEXT, [3, 1, 7, 5]), len(TEXT)))
    for chunk in (1, 7, 33):
        forward, sequence, parts = opened(large).forward, scored(TEXT, [2, 9, 0, 4]), []
        company = scored(TEXT[::-1], [10, 11, 12, 13])
        while (left := len(TEXT) - sequence.num_computed_tokens) > 0:
            together = [(sequence, min(chunk, left))]
            if len(parts) % 2 == 0 and company.num_computed_tokens < 50:
                together.append((company, 3))
            parts.append(step(forward, *together)[0].logits)
        assert torch.equal(torch.cat(parts), whole.logits)


def in_company(forward: Forward, suspect: int) -> list[Part]:
    """Return what comes of two decodes, a chunk, and then two sequences in which one token is `suspect`.

    The first decode is shorter than the second: where blocks are gathered, its table is filled up with block 0, which
    one of the suspects has.
    """
    short, long = scored(TEXT[:9], [1]), scored(TEXT[:41], [2, 3, 4])
    step(forward, (short, 8), (long, 40))
    chunk, longer = scored(TEXT[20:40], [5, 6]), scored([*TEXT[:7], suspect, *TEXT[8:20]], [7, 8])
    return step(forward, (short, 1), (long, 1), (chunk, 20), (longer, 20), (scored([suspect], [0]), 1))


@pytest.mark.parametrize("opened", BACKENDS)
def test_a_bad_row_is_told_and_its_neighbours_do_not_notice(checkpoint, opened):
    spoilt = with_bad_token(checkpoint, BAD, torch.nan)
    expected, found = in_company(opened(spoilt).forward, GOOD), opened(spoilt)
    parts = in_company(found.forward, BAD)
    assert all(all(part.flags) for part in expected)
    assert [part.flags for part in parts] == [[True], [True], [True] * 20, [row != 7 for row in range(20)], [False]]
    for part, other in zip(parts[:3], expected, strict=False):
        assert torch.equal(part.logits, other.logits)
    assert torch.equal(parts[3].logits[:7], expected[3].logits[:7])
    assert bool(parts[3].logits[8:].isfinite().all())
    assert found.holds_only_finite_numbers()


@pytest.mark.parametrize("opened", BACKENDS)
def test_the_next_sequence_that_has_a_block_meets_nothing_of_the_last_one(checkpoint, opened):
    spoilt = with_bad_token(checkpoint, BAD, torch.nan)

    def decode(forward: Forward) -> list[Part]:
        sequence = scored(TEXT[:6], [0])
        return step(forward, (sequence, 5)) + step(forward, (sequence, 1), (scored(TEXT[:1], [1]), 1))

    found = opened(spoilt)
    (bad,) = step(found.forward, (scored([BAD] * 33, [0, 1, 2]), 33))
    assert not any(bad.flags)
    for part, fresh in zip(decode(found.forward), decode(opened(spoilt).forward), strict=True):
        assert all(part.flags)
        assert torch.equal(part.logits, fresh.logits)


PARTS = {
    "layers.1.self_attn.q_proj.bias": torch.inf,
    "layers.1.self_attn.k_proj.bias": -torch.inf,
    "layers.1.self_attn.v_proj.bias": torch.inf,
    "layers.1.mlp.gate_proj.weight": torch.nan,
    "model.norm.weight": torch.nan,
    "lm_head.weight": torch.nan,
}


@pytest.mark.parametrize("opened", BACKENDS)
def test_whatever_part_of_a_model_yields_what_is_not_finite_is_told(checkpoint, opened):
    for part, value in PARTS.items():
        found = opened(with_bad_weights(checkpoint, part, value))
        parts = step(found.forward, (scored(TEXT[:5], [2]), 5), (scored(TEXT[5:6], [3]), 1))
        assert [one.flags for one in parts] == [[False] * 5, [False]], part
        assert found.holds_only_finite_numbers()


@pytest.mark.parametrize("opened", BACKENDS)
def test_logits_that_nobody_wants_do_not_count(checkpoint, opened):
    found = opened(with_bad_weights(checkpoint, "lm_head.weight", torch.nan))
    prompt = Sequence(TEXT[:6], SamplingParams())
    prompt.block_table.append(4)
    assert [step(found.forward, (prompt, count))[0].flags for count in (4, 1, 1)] == [[True] * 4, [True], [False]]


def test_every_instruction_set_tells_the_same_rows_and_gives_the_others_the_same_bits(checkpoint):
    spoilt = with_bad_token(with_large_keys_and_values(checkpoint), BAD, -torch.inf)
    for dtype in DTYPES:
        first, *others = (in_company(open_native(dtype, level)(spoilt).forward, BAD) for level in USABLE_LEVELS)
        for other in others:
            assert [part.flags for part in other] == [part.flags for part in first]
            for mine, theirs in zip(first, other, strict=True):
                assert torch.equal(mine.logits[mine.flags], theirs.logits[theirs.flags])
