"""One step of the game, and what a snapshot says of the images held out."""

import numpy as np
import pytest
import torch

from tests.unit.training.refinement.test_material import material
from training.image_kind import FASHION
from training.refinement.material import Material, batches
from training.refinement.networks import Opponent, RefinedDecoder
from training.refinement.train import Chooser, Recipe, Trainer
from training.tokenizer.networks import Decoder, from_tokens

RECIPE = Recipe(steps=4, batch_size=2, ema_decay=0.5)


class PixelJudge:
    """Sees three numbers of an image."""

    def classify(self, images):
        flat = images.reshape(len(images), -1).astype(np.float64)
        return None, np.stack([flat.mean(axis=1), flat[:, 400], flat.std(axis=1)], axis=1)


@pytest.fixture
def trainer():
    torch.manual_seed(0)
    return Trainer(RECIPE, Decoder(), Opponent(), Chooser(PixelJudge(), material()))


def test_both_players_learn_and_the_average_lies_behind(trainer, tmp_path):
    players = {"decoder": trainer.decoder, "opponent": trainer.opponent}
    before = {name: [p.clone() for p in player.parameters()] for name, player in players.items()}
    for batch, _ in zip(batches(material(), 2, 0, 0), range(2), strict=False):
        values = trainer.step(*batch)
    assert all(np.isfinite(value) for value in values.values())
    for name, player in players.items():
        assert any(not torch.equal(new, old) for new, old in zip(player.parameters(), before[name], strict=True))
    averaged = list(trainer.averaged.module.parameters())
    assert any(not torch.equal(mean, now) for mean, now in zip(averaged, trainer.decoder.parameters(), strict=True))


@torch.no_grad()
def test_a_decoder_that_restores_the_images_held_out_is_at_no_distance():
    held_out = material()
    decoder = RefinedDecoder(Decoder()).eval()
    image = decoder(from_tokens(held_out.tokens, FASHION.grid)).add(1).mul(127.5).round().clamp(0, 255).byte()
    same = Material(image, held_out.labels, held_out.tokens, held_out.drawn_tokens, held_out.drawn_labels)
    measured = Chooser(PixelJudge(), same).measure(decoder)
    assert measured["restored_fid"] == 0.0
    assert measured["drawn_fid"] > 0.0
