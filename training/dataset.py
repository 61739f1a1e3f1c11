"""Fashion-MNIST for training: as tensors, in a model's range, in batches whose order repeats. Knows no models.

Of the 60,000 images to train on, the last NUM_HELD_OUT are "validation": snapshots and recipes are chosen by them, so
that the test images, which all published figures are of, have no say in it.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from tandem.measure.quality.fashion_mnist import load_split

SplitName = Literal["train", "validation", "test"]

NUM_HELD_OUT = 5_000


def load_tensors(split: SplitName) -> tuple[Tensor, Tensor]:
    """Return (images [N, 1, 28, 28] uint8, labels [N]). Ends the command if the data set is not installed."""
    try:
        images, labels = load_split("test" if split == "test" else "train")
    except FileNotFoundError as error:
        raise SystemExit(f"error: {error}") from None
    rows = {"train": slice(-NUM_HELD_OUT), "validation": slice(-NUM_HELD_OUT, None), "test": slice(None)}[split]
    return torch.from_numpy(images[rows].copy()).unsqueeze(1), torch.from_numpy(labels[rows])


def to_model_range(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as floats in -1..1."""
    return pixels.float().div(127.5).sub(1)


def to_pixels(values: Tensor) -> Tensor:
    """Return values in -1..1 as uint8 pixels, rounded; what lies outside is cut off."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).byte()


def shuffled_batches(count: int, batch_size: int, seed: int, first_step: int) -> Iterator[Tensor]:
    """Yield index tensors [batch_size] without end, epoch after epoch; the order depends on seed and step alone."""
    per_epoch = count // batch_size
    epoch, position = divmod(first_step, per_epoch)
    while True:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7919 + epoch))
        yield from order.split(batch_size)[position:per_epoch]
        epoch, position = epoch + 1, 0
