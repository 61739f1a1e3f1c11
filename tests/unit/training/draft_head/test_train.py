"""Training a draft head: what it is compared with, that it learns a text with a rule, and that it is resumed."""

import numpy as np
import torch

from services.ar.model.checkpoint import Checkpoint
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import save_tiny_model
from training import loop
from training.draft_head.answers import Answers
from training.draft_head.train import Recipe, Trainer, frequent_tokens, read_matrices

NUM_TOKENS = 40
RECIPE = Recipe(steps=200, batch_size=64, depth=2, width=64, num_tokens=NUM_TOKENS, num_compared=20)


def tiny_checkpoint(folder) -> Checkpoint:
    save_tiny_model(folder)
    return open_checkpoint(folder)


def counting_answers(checkpoint: Checkpoint, num_answers: int = 40, length: int = 25) -> Answers:
    """Return texts that count, so that a token says which ones follow; hidden states say which one is next."""
    tokens = np.concatenate([(np.arange(length) + 7 * number) % NUM_TOKENS for number in range(num_answers)])
    hidden = 10 * read_matrices(checkpoint)[1][tokens].numpy().astype(np.float16)
    return Answers(tokens.astype(np.int32), hidden, np.full(num_answers, length, np.int32))


def test_a_rule_is_learnt_and_tokens_a_step_tell_it(tmp_path):
    checkpoint = tiny_checkpoint(tmp_path / "model")
    trainer = Trainer(RECIPE, checkpoint, counting_answers(checkpoint))
    before = trainer.measure()
    loop.run(trainer, tmp_path / "run", snapshot_every=200)
    after = trainer.measure()
    assert before["tokens_a_step"] < 1.5 < 2.0 < after["tokens_a_step"] <= 3.0
    assert after["right_1"] >= after["right_2"] > before["right_2"]


def test_a_training_in_slices_is_the_training_in_one_go(tmp_path):
    checkpoint, weights = tiny_checkpoint(tmp_path / "model"), []
    for name, slices in (("whole", (200,)), ("sliced", (80, 200))):
        for stop in slices:
            trainer = Trainer(RECIPE, checkpoint, counting_answers(checkpoint))
            step, trainer.step = trainer.step, lambda *batch: step(*batch)  # noqa: B023
            if stop < RECIPE.steps:
                batches = trainer.batches
                trainer.batches = lambda first: list(batches(first))[: stop - first]  # noqa: B023
            loop.run(trainer, tmp_path / name, snapshot_every=20)
        weights.append(trainer.head.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_the_tokens_that_follow_are_compared_with_others_that_stand_for_all(tmp_path):
    checkpoint = tiny_checkpoint(tmp_path)
    trainer = Trainer(RECIPE, checkpoint, counting_answers(checkpoint))
    chosen, shift = trainer._compared(torch.tensor([3, 5, 30]))  # 30 is the sixth token of the second text
    assert len(chosen) == len(set(chosen.tolist())) == 20
    assert chosen[:6].tolist() == [4, 5, 6, 7, 13, 14]
    assert shift[:6].tolist() == [0] * 6
    assert torch.allclose(shift[6:].exp().sum(), torch.tensor(34.0))


def test_frequent_tokens_are_in_ascending_order():
    assert frequent_tokens(np.array([5, 5, 2, 9, 9, 9, 1]), 2, 12).tolist() == [5, 9]
    assert frequent_tokens(np.array([5]), 20, 4 + 2).tolist() == [0, 1, 2, 3, 4, 5]
