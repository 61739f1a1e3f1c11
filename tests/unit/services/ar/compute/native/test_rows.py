"""The kernel's sampler against torch's and against arithmetic in float64, over random rows; and against itself."""

import gc
import random
import weakref

import pytest
import torch
from torch import Tensor

from services.ar.compute.native.forward import Histories
from services.ar.compute.torch.sampling import UniformNumbers
from services.ar.compute.torch.sampling import sample as torch_sample
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import LogitsRow
from tests.kernels import USABLE_LEVELS
from tests.unit.services.ar.compute.torch.samplers import native_sample

NUM_TOKENS = 5003  # no multiple of anything
# By how much of the whole a sum of weights may differ from the exact one; float32 has 24 bits, and weights a few less.
TOLERANCE = 4e-6

PARAMETERS: tuple[dict[str, object], ...] = (
    {},
    {"temperature": 0.7, "top_p": 0.9},
    {"temperature": 8.0, "top_p": 0.95},
    {"top_k": 40},
    {"top_k": 3000, "min_p": 0.002},
    {"top_k": 50, "top_p": 0.8, "min_p": 0.01},
    {"min_p": 0.05, "temperature": 1.5},
    {"temperature": 0.0, "repetition_penalty": 1.3, "frequency_penalty": 0.4},
    {"temperature": 0.9, "top_p": 0.9, "repetition_penalty": 1.2, "presence_penalty": 0.5, "logit_bias": {7: 4.0}},
    {"min_tokens": 9, "stop_token_ids": frozenset({1, 2, 3})},
)


def random_rows(count: int, parameters: dict[str, object], has_equals: bool = False) -> tuple[Tensor, list[LogitsRow]]:
    """Return logits [count, NUM_TOKENS] of different steepness, and their rows; equals, which torch puts in no order,
    only if told to."""
    generator, chance = torch.Generator().manual_seed(count), random.Random(count)
    steepness = torch.logspace(-1, 1, count).unsqueeze(1)
    logits = torch.randn(count, NUM_TOKENS, generator=generator) * steepness
    if has_equals:
        logits = (logits * 64).round() / 64
    rows = []
    for _ in range(count):
        params = SamplingParams(seed=chance.randrange(2**64), **parameters)
        sequence = Sequence(chance.choices(range(NUM_TOKENS + 50), k=30), params, frozenset({0}), chance.randrange(3))
        sequence.token_ids += chance.choices(range(20), k=chance.randrange(6))
        rows.append(LogitsRow(sequence, drafted=tuple(chance.choices(range(20), k=chance.randrange(3)))))
    return logits, rows


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_tokens_are_those_of_the_torch_sampler(parameters):
    """All but those that rounding decides, which are drawn within a millionth of another token's share."""
    logits, rows = random_rows(300, parameters)
    pairs = list(zip(native_sample(logits, rows), torch_sample(logits, rows), strict=True))
    assert sum(ours == theirs for ours, theirs in pairs) >= 298


def shares(logits: Tensor, row: LogitsRow, token_id: int) -> tuple[float, float]:
    """Return between which shares of the whole a token is drawn, by the definitions in float64, equals by their ids."""
    params = row.params
    whole = (logits.double() / params.temperature).softmax(-1)
    # Weights are rounded to float32 before they are compared, so that some are equal that are not in float64.
    order = (whole / whole.max()).float().sort(descending=True, stable=True).indices if params.truncates else None
    kept = whole if order is None else whole[order]
    if params.top_k:
        kept = kept[: params.top_k]
    before = kept.cumsum(0) - kept
    kept = kept[(before < params.top_p * kept.sum()) & (kept >= params.min_p * whole.max())]
    place = token_id if order is None else int((order == token_id).nonzero())
    return float(kept[:place].sum() / kept.sum()), float(kept[: place + 1].sum() / kept.sum())


@pytest.mark.parametrize("parameters", PARAMETERS[:7], ids=str)
def test_a_token_is_the_one_that_its_number_falls_on(parameters):
    logits, rows = random_rows(200, parameters, has_equals=True)
    for of_row, row, token in zip(logits, rows, native_sample(logits, rows), strict=True):
        uniform = UniformNumbers().at(row.params.seed, row.sequence.choice_index, row.position)
        least, most = shares(of_row, row, token.token_id)
        # A token more or less at the end of what top_p leaves changes all shares by as much as it has.
        assert least - TOLERANCE - 1e-3 * bool(row.params.truncates) <= uniform
        assert uniform <= most + TOLERANCE + 1e-3 * bool(row.params.truncates)


def test_numbers_are_those_of_numpy():
    """Of equal tokens, the one is drawn whose place is the number's share."""
    logits = torch.zeros(1, 100_000)
    for seed, choice, position in [(0, 0, 0), (1, 2, 3), (2**64 - 1, 7, 1), (2**63, 0, 900)]:
        sequence = Sequence([0], SamplingParams(seed=seed), choice_index=choice)
        sequence.token_ids += [0] * position
        (token,) = native_sample(logits, [LogitsRow(sequence)])
        assert token.token_id == int(UniformNumbers().at(seed, choice, position) * 100_000)


def mixed_rows() -> tuple[Tensor, list[LogitsRow]]:
    parts = [
        random_rows(count, parameters | {"logprobs": True, "top_logprobs": 4})
        for count, parameters in enumerate(PARAMETERS, 5)
    ]
    return torch.cat([logits for logits, _ in parts]), [row for _, rows in parts for row in rows]


def test_a_row_has_the_same_bits_alone_and_in_company_in_any_number_of_threads():
    logits, rows = mixed_rows()
    alone = [native_sample(logits[place : place + 1], [row], 1)[0] for place, row in enumerate(rows)]
    for num_threads in (1, 2, 3, 5):
        assert native_sample(logits, rows, num_threads) == alone
        assert native_sample(logits.flip(0), rows[::-1], num_threads) == alone[::-1]


def test_every_instruction_set_gives_the_same_bits():
    logits, rows = mixed_rows()
    first, *others = (native_sample(logits, rows, level=level) for level in USABLE_LEVELS)
    assert all(first == other for other in others)


def test_a_mask_shorter_than_the_logits_is_refused():
    row = LogitsRow(Sequence([0], SamplingParams()), allowed=b"\xff")
    with pytest.raises(ValueError, match="a mask of 8 tokens for 9"):
        native_sample(torch.zeros(1, 9), [row])


def test_a_history_ends_with_its_sequence():
    histories, sequence = Histories(), Sequence([1], SamplingParams())
    history = weakref.ref(histories.of(sequence))
    del sequence
    gc.collect()
    assert history() is None
