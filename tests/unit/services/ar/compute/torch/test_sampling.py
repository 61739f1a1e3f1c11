"""Every sampler against the definitions: distributions, truncation, penalties, masks, and parameters at their ends."""

import math
from collections import Counter
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from services.ar.compute.runner import with_masks
from services.ar.compute.torch.sampling import UniformNumbers, rule_out
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import LogitsRow
from tandem.shared.errors import TooComplex
from tests.sampling_extremes import extreme_parameters
from tests.unit.services.ar.compute.torch.samplers import SAMPLERS, Sample


@pytest.fixture(params=SAMPLERS)
def sample(request) -> Sample:
    """Every sampler there is: all of them pass the same tests."""
    return SAMPLERS[request.param]


LOGITS = torch.tensor([2.0, 1.0, 0.5, -1.0, 3.0])


def row(prompt=(0,), output=(), choice_index=0, **parameters) -> LogitsRow:
    sequence = Sequence(list(prompt), SamplingParams(**parameters), frozenset({4}), choice_index)
    sequence.token_ids.extend(output)
    return LogitsRow(sequence)


def draw(sample: Sample, logits: torch.Tensor, count: int = 400, **parameters) -> Counter:
    rows = [row(seed=seed, **parameters) for seed in range(count)]
    return Counter(token.token_id for token in sample(logits.expand(count, -1), rows))


def test_draws_follow_the_distribution(sample):
    count = 4000
    found, expected = draw(sample, LOGITS, count), LOGITS.softmax(0) * count
    chi_square = sum((found[i] - float(expected[i])) ** 2 / float(expected[i]) for i in range(5))
    assert chi_square < 18.5  # 0.1 % point for 4 degrees of freedom


def test_what_can_be_drawn(sample):
    for parameters, possible in (
        ({"top_k": 2}, {4, 0}),
        ({"top_p": 0.6}, {4}),  # p = .631, .232, .085, .052, .012... by rank: the first reaches it
        ({"top_p": 0.7}, {4, 0}),
        ({"min_p": 0.2}, {4, 0}),
        ({"min_p": 0.1}, {4, 0, 1}),
        ({"top_k": 2, "top_p": 0.7}, {4}),  # of what top_k leaves: .731, .269
        ({"temperature": 0.01}, {4}),
        ({"logit_bias": {3: 100.0}}, {3}),
        ({"min_tokens": 1}, {0, 1, 2, 3}),
    ):
        assert set(draw(sample, LOGITS, **parameters)) == possible, parameters


def test_truncation_over_more_tokens_than_are_sorted_first(sample):
    """A flat distribution over 5,000 tokens: top_p 0.5 keeps 2,500, far more than the first cut."""
    found = draw(sample, torch.linspace(1e-3, 0.0, 5000), count=300, top_p=0.5)
    assert max(found) < 2510
    assert len([token for token in found if token > 1024]) > 100


@pytest.mark.parametrize("num_ties", [3000, 12_000])
def test_more_equals_than_are_sorted_at_first_stay_in_their_order(sample, num_ties):
    logits = torch.zeros(20_000)
    logits[5 : 5 + num_ties] = 20.0
    found = draw(sample, logits, count=300, top_p=0.6)
    assert 0.55 * num_ties < max(found) < 5 + 0.6 * num_ties + 1


def test_penalties_are_those_of_the_definitions(sample):
    logits = torch.tensor([[1.0, -1.0, 0.5, 0.0]])
    tokens = {
        "repetition": row(prompt=(0, 1), repetition_penalty=4.0, temperature=0.0),  # 0.25, -4, 0.5, 0
        "presence": row(prompt=(0,), output=(0, 2), presence_penalty=1.5, temperature=0.0),  # -.5, -1, -1, 0
        "frequency": row(prompt=(0,), output=(0, 0), frequency_penalty=0.3, temperature=0.0),  # 0.4, -1, 0.5, 0
    }
    found = {name: sample(logits, [one])[0].token_id for name, one in tokens.items()}
    assert found == {"repetition": 2, "presence": 3, "frequency": 2}
    assert logits.tolist() == [[1.0, -1.0, 0.5, 0.0]]


def test_logprobs_are_of_the_bare_model(sample):
    (token,) = sample(LOGITS.unsqueeze(0), [row(temperature=0.0, logit_bias={1: 50.0}, logprobs=True, top_logprobs=2)])
    reference = LOGITS.log_softmax(0).tolist()
    assert token.token_id == 1
    assert math.isclose(token.logprob, reference[1], rel_tol=1e-6)
    assert [a.token_id for a in token.alternatives] == [4, 0]


def test_a_prompt_may_hold_tokens_that_are_never_output(sample):
    (token,) = sample(LOGITS.unsqueeze(0), [row(prompt=(9,), output=(4,), repetition_penalty=10.0, temperature=0.0)])
    assert token.token_id == 0


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"temperature": 0.0, "repetition_penalty": 10.0},
        {"presence_penalty": 2.0, "logprobs": True},
        {"temperature": 0.0, "frequency_penalty": 1.5},
        {"temperature": 0.0, "min_tokens": 3},
        {"temperature": 0.0, "min_tokens": 4},
        {"top_p": 0.8, "choice_index": 2},
    ],
)
def test_behind_drafted_tokens_a_row_is_as_behind_the_sequence_s_own(sample, parameters):
    for seed in range(40):
        drafted = LogitsRow(row(prompt=(0, 1), output=(4,), seed=seed, **parameters).sequence, drafted=(4, 2))
        own = row(prompt=(0, 1), output=(4, 4, 2), seed=seed, **parameters)
        without = row(prompt=(0, 1), output=(4,), seed=seed, **parameters)
        drawn, expected, _ = sample(LOGITS.expand(3, -1), [drafted, own, without])
        assert drawn == expected


@pytest.mark.parametrize("num_tokens", [3000, 150_000])
def test_a_row_does_not_depend_on_its_company(sample, num_tokens):
    torch.manual_seed(0)
    logits = torch.randn(6, num_tokens) * 3
    rows = [
        row(seed=1),
        row(seed=2, top_p=0.999, temperature=3.0),
        row(seed=3, top_k=5, logprobs=True),
        row(temperature=0.0),
        row(seed=5, prompt=(1, 2), output=(3,), repetition_penalty=1.3),
        row(seed=5, choice_index=1, min_p=0.05),
    ]
    alone = [sample(logits[i : i + 1], [rows[i]])[0] for i in range(6)]
    assert sample(logits, rows) == alone


HIGHEST = torch.finfo(torch.float32).max
LOGITS_OF_MODELS = {
    "ordinary": torch.linspace(-8.0, 20.0, 600),
    "all below 0": torch.linspace(-90.0, -5.0, 600),
    "equal": torch.zeros(600),
    "as large as float32 goes": torch.linspace(-1.0, 1.0, 600) * HIGHEST,
    "all but one impossible": torch.full((600,), -HIGHEST).index_fill(0, torch.tensor([7]), 0.0),
}


def test_no_pair_of_extreme_parameters_leaves_a_row_without_a_token(sample):
    rows = [
        row(prompt=(0, 1), output=(1, 2, 2), logprobs=True, top_logprobs=3, **frozen(parameters))
        for parameters in extreme_parameters()
    ]
    for logits in LOGITS_OF_MODELS.values():
        tokens = sample(logits.expand(len(rows), -1), rows)
        assert len(tokens) == len(rows)
        assert all(0 <= token.token_id < 600 and not math.isnan(token.logprob) for token in tokens)
        for place in range(0, len(rows), 50):
            assert sample(logits.unsqueeze(0), [rows[place]]) == [tokens[place]]


def frozen(parameters: dict) -> dict:
    return parameters | {"stop_token_ids": frozenset(parameters.get("stop_token_ids", ()))}


def test_as_temperature_goes_to_zero_sampling_goes_to_greedy(sample):
    for temperature in (5e-324, 1e-46, 1e-38):
        for truncation in ({}, {"top_p": 0.9}, {"top_k": 5000}, {"min_p": 0.1}):
            assert set(draw(sample, LOGITS, 50, temperature=temperature, **truncation)) == {4}
            assert set(draw(sample, LOGITS - 10.0, 50, temperature=temperature, **truncation)) == {4}


def test_as_temperature_goes_to_zero_equals_share(sample):
    found = draw(sample, torch.tensor([-1.0, 2.0, 2.0]), count=400, temperature=1e-46)
    assert set(found) == {1, 2}
    assert min(found.values()) > 140


def test_random_numbers_are_each_the_first_of_a_generator_of_its_own():
    numbers = UniformNumbers()
    places = [(seed, choice, place) for seed in (0, 1, 2**64 - 1) for choice in (0, 1) for place in range(50)]
    found = [numbers.at(*place) for place in reversed(places)][::-1]
    for (seed, choice, place), number in zip(places, found, strict=True):
        drawn = np.random.Philox(key=seed | choice << 64, counter=place).random_raw()
        assert number == float(drawn >> 11) * 2.0**-53 < 1.0
    assert len(set(found)) == len(places)


MASKED_TOKENS, MASKED_END = 40, 7


def bits(*token_ids: int) -> bytes:
    allowed = np.zeros(64, np.uint8)
    allowed[list(token_ids)] = 1
    return np.packbits(allowed, bitorder="little").tobytes()


def masked_row(allowed: bytes | None, **params: object) -> LogitsRow:
    sequence = Sequence([0], SamplingParams(**params), eos_token_ids=frozenset({MASKED_END}))
    return LogitsRow(sequence, allowed=allowed)


def left(logits: torch.Tensor) -> set[int]:
    return set(logits.isfinite().nonzero().flatten().tolist())


def test_what_is_not_allowed_becomes_minus_infinity_and_the_rest_stays():
    logits = torch.randn(3, MASKED_TOKENS)
    before = logits.clone()
    rule_out(logits, [masked_row(bits(1, 39)), masked_row(None), masked_row(bits(MASKED_END))])
    assert [left(one) for one in logits] == [{1, 39}, set(range(MASKED_TOKENS)), {MASKED_END}]
    assert torch.equal(logits[0, [1, 39]], before[0, [1, 39]])
    assert torch.equal(logits[1], before[1])


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({}, {3, MASKED_END}),
        ({"min_tokens": 2}, {3}),
        ({"ignore_eos": True}, {3}),
        ({"min_tokens": 2, "stop_token_ids": frozenset({3})}, {3, MASKED_END}),
    ],
)
def test_an_unwanted_end_is_left_only_where_nothing_else_is(params, kept):
    logits = torch.zeros(1, MASKED_TOKENS)
    rule_out(logits, [masked_row(bits(3, MASKED_END), **params)])
    assert left(logits[0]) == kept


def test_only_what_is_allowed_is_drawn(sample):
    """The allowed tokens are the least probable ones by far."""
    logits = torch.full((1, MASKED_TOKENS), 80.0)
    logits[0, [2, 11]] = -80.0
    biased = {"repetition_penalty": 10.0, "logit_bias": {5: 100.0}}
    cold, hot = {"temperature": 0.0}, {"temperature": 10.0}
    for params in (cold, hot, {"top_k": 20}, {"top_p": 0.5}, {"min_p": 0.01}, biased, {"min_tokens": 3}):
        rows = [masked_row(bits(2, 11), seed=seed, **params) for seed in range(60)]
        assert {token.token_id for token in sample(logits.expand(60, -1), rows)} <= {2, 11}, params


def test_neighbours_and_reported_logprobs_are_those_without_a_mask(sample):
    logits = torch.randn(4, MASKED_TOKENS) * 3
    plain = [masked_row(None, seed=seed, logprobs=True, top_logprobs=3) for seed in range(4)]
    expected = sample(logits, plain)
    mixed = [masked_row(bits(2), logprobs=True, top_logprobs=3), *plain[1:]]
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
    assert [(one.allowed, one.drafted) for one in rows] == [(bits(1), ()), (bits(2), (1,))]
