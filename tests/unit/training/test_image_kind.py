"""The sizes of networks follow from the images' by one rule: for any size, each gives back what it was given."""

import pytest
import torch

from training.gan.networks import LATENT_DIM, Discriminator, Generator
from training.image_kind import ImageKind
from training.judge.train import NUM_FEATURES, Judge
from training.refinement.networks import Opponent, RefinedDecoder
from training.tokenizer.train import Autoencoder

SHAPES_AND_GRIDS = [
    ((1, 8, 8), (4, 4)),
    ((3, 16, 16), (8, 8)),
    ((3, 17, 9), (5, 3)),
    ((1, 28, 28), (7, 7)),
    ((3, 32, 30), (8, 8)),
    ((3, 64, 33), (8, 5)),
]


@pytest.mark.parametrize(("shape", "grid"), SHAPES_AND_GRIDS)
@torch.no_grad()
def test_every_network_takes_or_gives_images_of_the_size(shape, grid):
    kind = ImageKind("any", shape, ("a", "b", "c"))
    assert kind.grid == grid
    image, label = torch.rand(2, *shape) * 2 - 1, torch.tensor([0, 2])
    assert Generator(kind)(torch.randn(2, LATENT_DIM), label).shape == image.shape
    assert [tuple(each.shape) for each in Discriminator(kind)(image, label)] == [(2,), (2, 160)]
    assert [tuple(each.shape) for each in Judge(kind)(image)] == [(2, 3), (2, NUM_FEATURES)]
    tokenizer = Autoencoder(kind).eval()
    restored, quantised = tokenizer(image)
    assert (restored.shape, tuple(quantised.shape[2:])) == (image.shape, grid)
    torch.testing.assert_close(RefinedDecoder(tokenizer.decoder).eval()(quantised), restored)
    scores, features = Opponent(kind)(image, label)
    assert [tuple(score.shape) for score in scores] == [(2, 1, *grid), (2, 1), (2, 1)]
    assert features[-1].shape[2:] == grid
