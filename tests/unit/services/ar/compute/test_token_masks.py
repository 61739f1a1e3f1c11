"""Masks in the sampler: what they rule out is never drawn, and rows without one stay as they are."""

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from services.ar.compute.token_masks import with_masks
from services.ar.compute.torch.token_masks import rule_out
from services.ar.engine.layout import LogitsRow
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from tandem.shared.errors import TooComplex
from tests.unit.services.ar.compute.torch.samplers import SAMPLERS, Sample

NUM_TOKENS, END = 40, 7


@pytest.fixture(params=SAMPLERS)
def sample(request) -> Sample:
    return SAMPLERS[request.param]


def bits(*token_ids: int) -> bytes:
    allowed = np.zeros(64, np.uint8)
    allowed[list(token_ids)] = 1
    return np.packbits(allowed, bitorder="little").tobytes()


def row(allowed: bytes | None, **params: object) -> LogitsRow:
    sequence = Sequence([0], SamplingParams(**params), eos_token_ids=frozenset({END}))
    return LogitsRow(sequence, allowed=allowed)


def left(logits: torch.Tensor) -> set[int]:
    return set(logits.isfinite().nonzero().flatten().tolist())


def test_what_is_not_allowed_becomes_minus_infinity_and_the_rest_stays():
    logits = torch.randn(3, NUM_TOKENS)
    before = logits.clone()
    rule_out(logits, [row(bits(1, 39)), row(None), row(bits(END))])
    assert [left(each) for each in logits] == [{1, 39}, set(range(NUM_TOKENS)), {END}]
    assert torch.equal(logits[0, [1, 39]], before[0, [1, 39]])
    assert torch.equal(logits[1], before[1])


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, {3, END}),
        ({"min_tokens": 2}, {3}),
        ({"ignore_eos": True}, {3}),
        ({"min_tokens": 2, "stop_token_ids": frozenset({3})}, {3, END}),
    ],
)
def test_an_unwanted_end_is_left_only_where_nothing_else_is(params, kept):
    logits = torch.zeros(1, NUM_TOKENS)
    rule_out(logits, [row(bits(3, END), **params)])
    assert left(logits[0]) == kept


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0.0},
        {"temperature": 1e-12},
        {"temperature": 10.0},
        {"top_k": 20},
        {"top_p": 0.5},
        {"min_p": 0.01},
        {"repetition_penalty": 10.0, "logit_bias": {5: 100.0}},
        {"min_tokens": 3},
    ],
)
def test_only_what_is_allowed_is_drawn(sample, params):
    """The allowed tokens are the least probable ones by far."""
    logits = torch.full((1, NUM_TOKENS), 80.0)
    logits[0, [2, 11]] = -80.0
    drawn = {sample(logits, [row(bits(2, 11), seed=seed, **params)])[0].token_id for seed in range(60)}
    assert drawn <= {2, 11}


def test_neighbours_and_reported_logprobs_are_those_without_a_mask(sample):
    logits = torch.randn(4, NUM_TOKENS) * 3
    plain = [row(None, seed=seed, logprobs=True, top_logprobs=3) for seed in range(4)]
    expected = sample(logits, plain)
    mixed = [row(bits(2), logprobs=True, top_logprobs=3), *plain[1:]]
    masked, *neighbours = sample(logits, mixed)
    assert neighbours == expected[1:]
    assert masked.logprob == pytest.approx(float(logits[0].log_softmax(-1)[2]))
    assert masked.alternatives == expected[0].alternatives


@dataclass
class Scripted:
    """A mask that allows what it is told to, as often as it can."""

    answers: list[bytes] | TooComplex
    is_complete: bool = False

    def masks(self, draft: SequenceOf[int]) -> list[bytes]:
        if isinstance(self.answers, TooComplex):
            raise self.answers
        return self.answers

    def num_allowed(self, draft: SequenceOf[int]) -> int:
        return len(draft)

    def advance(self, token_ids: SequenceOf[int]) -> None: ...


def rows_of(answers: list[bytes] | TooComplex) -> list[LogitsRow]:
    sequence = Sequence([0], SamplingParams(), token_mask=Scripted(answers))
    return [LogitsRow(sequence, drafted=(1, 2, 3)[:count]) for count in range(4)]


def test_rows_of_a_draft_get_a_mask_each_and_end_with_the_masks():
    rows = with_masks(rows_of([bits(1), bits(2)]))
    assert isinstance(rows, list)
    assert [(each.allowed, each.drafted) for each in rows] == [(bits(1), ()), (bits(2), (1,))]


def test_a_mask_that_cannot_be_told_is_its_work_s_result():
    error = TooComplex("no")
    assert with_masks(rows_of(error)) is error


def test_works_without_a_mask_and_without_rows_stay_as_they_are():
    rows = [row(None)]
    assert with_masks(rows) is rows
    assert with_masks([]) == []
