"""The order of training."""

import itertools

import torch

from training.dataset import shuffled_batches, to_model_range, to_pixels


def first(count: int, first_step: int = 0, seed: int = 0) -> list[list[int]]:
    return [batch.tolist() for batch in itertools.islice(shuffled_batches(10, 3, seed, first_step), count)]


def test_an_epoch_has_each_example_at_most_once_and_no_part_of_a_batch():
    epoch = first(3)
    assert [len(batch) for batch in epoch] == [3, 3, 3]
    assert len({index for batch in epoch for index in batch}) == 9


def test_the_order_depends_on_seed_and_step_alone():
    whole = first(12)
    assert first(5, first_step=7) == whole[7:]
    assert first(12, seed=1) != whole
    assert whole[:3] != whole[3:6]


def test_pixels_survive_the_model_range():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_pixels(to_model_range(pixels)), pixels)
    assert to_pixels(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]
