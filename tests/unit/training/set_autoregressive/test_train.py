import pytest
import torch

from training.image_kind import FASHION
from training.set_autoregressive import recipe
from training.set_autoregressive.recipe import Phase, Recipe
from training.set_autoregressive.train import Trainer

NUM_TOKENS = FASHION.num_tokens
RECIPE = Recipe((Phase(400, 1.0, 0.5), Phase(100, 1.0, 0.75), Phase(300, 0.5, 0.25), Phase(50, 0.5, 1.0, 1.5)))


def test_learning_rates_rise_stay_and_fall_twice():
    steps = (0, 99, 199, 399, 400, 425, 599, 799, 848, 850)
    rates = (0.005, 0.5, 1.0, 1.0, 1.0, 0.5, 0.25, 0.5, 0.01, 0.0)
    assert [RECIPE.rate(step) for step in steps] == pytest.approx(rates, abs=0.001)


def test_a_batch_has_the_share_of_real_images_that_its_phase_says_and_depends_on_the_step_alone(monkeypatch):
    monkeypatch.setattr(recipe, "WORTH_COMPILING", 1_000)
    real, drawn = (torch.arange(*ends).repeat(1 + NUM_TOKENS, 1).T for ends in ((0.0, 100.0), (100.0, 300.0)))
    trainer = Trainer(RECIPE, FASHION, real=real, drawn=drawn, validation=real)
    for first_step, num_real in ((0, 32), (399, 32), (400, 48), (500, 16), (849, 64)):
        sequences, steps = next(trainer.batches(first_step))
        assert (sequences[:, 0] < 100).tolist() == [True] * num_real + [False] * (64 - num_real)
        assert steps.shape == (64,)
    from_the_start = trainer.batches(0)
    for _ in range(3):
        next(from_the_start)
    for ours, theirs in zip(next(from_the_start), next(trainer.batches(3)), strict=True):
        assert torch.equal(ours, theirs)
