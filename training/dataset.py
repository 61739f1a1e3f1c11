"""Fashion-MNIST for training: as tensors, in a model's range, in batches whose order repeats. Knows no models."""

from collections.abc import Iterator

import torch
from torch import Tensor

from tandem.measure.quality.fashion_mnist import load_split


def load_tensors(split: str) -> tuple[Tensor, Tensor]:
    """Return (images [N, 1, 28, 28] uint8, labels [N]). Ends the command if the data set is not installed."""
    try:
        images, labels = load_split(split)
    except FileNotFoundError as error:
        raise SystemExit(f"error: {error}") from None
    return torch.from_numpy(images.copy()).unsqueeze(1), torch.from_numpy(labels)


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
