"""What is left of a distribution, against the definitions on the whole vocabulary in order."""

import pytest
import torch

from services.ar.compute.torch.truncation import truncate
from services.ar.engine.sequence import SamplingParams

NUM_TOKENS = 20_000


def left(probabilities: torch.Tensor, params: SamplingParams) -> list[int]:
    """Return the token ids that are left, the best first, of equals the first first."""
    values, token_ids = probabilities.double().sort(descending=True, stable=True)
    if params.top_k:
        values, token_ids = values[: params.top_k], token_ids[: params.top_k]
    before = values.cumsum(0) - values
    keep = (before < params.top_p * values.sum()) & (values >= params.min_p * values[0])
    return token_ids[: max(1, int(keep.sum()))].tolist()


PARAMS = (
    {"top_k": 1},
    {"top_k": 40},
    {"top_k": 9000},
    {"top_k": 30, "top_p": 0.7},
    {"top_p": 1e-9},
    {"top_p": 0.6},
    {"top_p": 0.999},
    {"min_p": 0.3},
    {"min_p": 1e-4},
    {"top_p": 0.9, "min_p": 0.001},
)


@pytest.mark.parametrize("steepness", [0.5, 3.0, 8.0])
def test_what_is_left_is_what_the_definitions_leave(steepness):
    params = [SamplingParams(**parameters) for parameters in PARAMS]
    generator = torch.Generator().manual_seed(2)
    probabilities = (torch.randn(len(params), NUM_TOKENS, generator=generator) * steepness).softmax(-1)
    for row, of_row, (values, token_ids) in zip(probabilities, params, truncate(probabilities, params), strict=True):
        expected = left(row, of_row)
        shared = min(len(token_ids), len(expected))
        assert torch.equal(row[token_ids], values)
        assert torch.equal(values[:shared], row[expected[:shared]])
        # Sums of float32 against sums of float64: where one stops sooner, hardly anything was to come.
        assert values[shared:].sum() + row[expected[shared:]].sum() < 1e-4


@pytest.mark.parametrize("num_ties", [3000, 12_000])
def test_more_equals_than_are_sorted_at_first_stay_in_their_order(num_ties):
    logits = torch.zeros(1, NUM_TOKENS)
    logits[0, 5 : 5 + num_ties] = 5.0
    ((_, token_ids),) = truncate(logits.softmax(-1), [SamplingParams(top_p=0.6)])
    assert len(token_ids) > 1500
    assert token_ids.tolist() == list(range(5, 5 + len(token_ids)))
