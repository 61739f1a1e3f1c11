"""A refined decoder begins as the one that it refines; the opponent begins as the GAN's discriminator."""

from pathlib import Path

import pytest
import torch

from training.gan.export import bake_norms
from training.gan.networks import Discriminator
from training.refinement.networks import Opponent, RefinedDecoder, weights_of
from training.tokenizer.networks import NUM_DIMS, Decoder

DISCRIMINATOR = Path(__file__).parents[4] / "models/fashion-gan/discriminator.onnx"


@pytest.fixture
def base():
    torch.manual_seed(0)
    decoder = Decoder()
    for _ in range(3):  # gives batch norm statistics of its own
        decoder(torch.rand(16, NUM_DIMS, 7, 7) * 2 - 1)
    return decoder.eval()


@torch.no_grad()
def test_at_first_it_draws_what_the_base_draws_in_training_as_well(base):
    quantised = torch.rand(4, NUM_DIMS, 7, 7) * 2 - 1
    expected = base(quantised)
    refined = RefinedDecoder(base)
    for mode in (True, False):
        assert torch.allclose(refined.train(mode)(quantised), expected, atol=1e-6)


@torch.no_grad()
def test_an_image_does_not_depend_on_the_others_of_its_batch_while_training(base):
    refined = RefinedDecoder(base).train()
    quantised = torch.rand(8, NUM_DIMS, 7, 7) * 2 - 1
    assert torch.allclose(refined(quantised)[:2], refined(quantised[:2]), atol=1e-6)


@torch.no_grad()
def test_the_opponent_begins_with_the_discriminators_verdict_on_the_sum_of_patches():
    weights = weights_of(DISCRIMINATOR)
    reference = bake_norms(Discriminator())
    for name, value in weights.items():
        layer, _, part = name.partition(".")
        if part == "weight":
            getattr(reference, layer).weight.copy_(value)
        elif part == "bias":
            getattr(reference, layer).bias.copy_(value)
    opponent = Opponent()
    opponent.start_from(weights)
    image, label = torch.rand(3, 1, 28, 28) * 2 - 1, torch.tensor([0, 4, 9])
    scores, features = opponent.eval()(image, label)
    expected, pooled = reference.eval()(image, label)
    assert torch.allclose(features[-1].sum(dim=(2, 3)) / 7, pooled, rtol=0.05, atol=0.05)
    assert torch.allclose(scores[1].squeeze(1), expected, rtol=0.05, atol=0.05)
    assert [tuple(view.shape) for view in scores] == [(3, 1, 7, 7), (3, 1), (3, 1)]
