"""The order of training."""

import itertools

import numpy as np
import torch

import training.dataset
from training.dataset import NUM_HELD_OUT, load_tensors, shuffled_batches, to_model_range, to_pixels


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


def test_what_is_held_out_is_no_part_of_the_training_and_test_images_are_of_neither(monkeypatch):
    sizes = {"train": NUM_HELD_OUT + 7, "test": 3}

    def load_split(split):
        numbers = np.arange(sizes[split])
        return np.zeros((len(numbers), 2, 2), np.uint8), numbers + (0 if split == "train" else 100_000)

    monkeypatch.setattr(training.dataset, "load_split", load_split)
    train, validation, test = (load_tensors(split)[1].tolist() for split in ("train", "validation", "test"))
    assert train == list(range(7))
    assert validation == list(range(7, NUM_HELD_OUT + 7))
    assert test == [100_000, 100_001, 100_002]
    assert load_tensors("validation")[0].shape == (NUM_HELD_OUT, 1, 2, 2)
