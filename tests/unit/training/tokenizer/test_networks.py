"""Quantisation and tokens."""

import torch

from training.image_kind import FASHION
from training.tokenizer.networks import LEVELS, NUM_CODES, NUM_DIMS, Encoder, Prior, from_tokens, quantise, to_tokens

GRID = FASHION.grid[0]
NUM_TOKENS = FASHION.num_tokens


def numbers(count: int = 4) -> torch.Tensor:
    return torch.randn(count, NUM_DIMS, GRID, GRID, generator=torch.Generator().manual_seed(0)) * 3


def test_every_number_becomes_one_of_the_levels():
    values = quantise(torch.linspace(-9, 9, 5_000)).unique()
    assert len(values) == LEVELS
    torch.testing.assert_close(values, torch.linspace(-1, 1, LEVELS))


def test_gradients_pass_the_rounding():
    x = numbers().requires_grad_()
    quantise(x).sum().backward()
    slope = 1 - torch.tanh(x.detach()).square()
    torch.testing.assert_close(x.grad, slope * (LEVELS / 2 - 0.501) / (LEVELS / 2 - 0.5))


def test_tokens_and_numbers_are_two_names_of_the_same():
    quantised = quantise(numbers())
    tokens = to_tokens(quantised)
    assert tokens.shape == (4, NUM_TOKENS)
    torch.testing.assert_close(from_tokens(tokens, FASHION.grid), quantised)
    everything = torch.arange(NUM_CODES).repeat_interleave(NUM_TOKENS).view(-1, NUM_TOKENS)
    assert torch.equal(to_tokens(from_tokens(everything, FASHION.grid)), everything)


def test_a_cell_of_the_encoder_sees_no_further_than_its_surroundings():
    encoder = Encoder().eval()
    image = torch.zeros(1, 1, 28, 28, requires_grad=True)
    encoder(image)[0, :, 3, 3].sum().backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [11, 11]


def test_the_prior_looks_back_only_and_its_bits_are_those_of_a_distribution():
    torch.manual_seed(0)
    prior = Prior()
    quantised = quantise(numbers(1))
    changed = quantised.clone()
    changed[0, :, 3, 3] = -changed[0, :, 3, 3]
    same = prior(quantised)[0].flatten() == prior(changed)[0].flatten()
    assert same[: 3 * GRID + 3].all()
    assert not same[3 * GRID + 3 :].all()
    # The chances of all codes that could stand in the first cell add up to one.
    codes = torch.zeros(NUM_CODES, NUM_TOKENS, dtype=torch.int64)
    codes[:, 0] = torch.arange(NUM_CODES)
    chances = 2 ** -prior(from_tokens(codes, FASHION.grid))[:, 0, 0]
    torch.testing.assert_close(chances.sum(), torch.tensor(1.0), atol=1e-3, rtol=0)
