"""Images for training: Fashion-MNIST or a file's, as tensors, in a model's range, in batches whose order repeats.

Of the images to train on, the last twelfth, NUM_HELD_OUT at most, are "validation": snapshots and recipes are chosen by
them, so that the test images, which all published figures are of, have no say in it. Knows no models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tandem.measure.quality.fashion_mnist import load_split
from tandem.measure.quality.reference import Split, from_file, with_channels
from tandem.shared.errors import TandemError
from tandem.shared.file_hashes import sha256_of
from training.image_kind import FASHION, MAX_SIDE, MIN_SIDE, ImageKind

NUM_HELD_OUT = 5_000
HELD_OUT_PART = 12
SHEET_SIDE = 84
"""Pixels of an image on a sheet, nearly."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """Each split: images [N, C, H, W] uint8 and their labels [N]."""

    kind: ImageKind
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def load(path: Path | None = None) -> DataSet:
    """Return Fashion-MNIST, or what `tandem.measure.quality.reference` reads of an .npz file.

    A file's images are put in an order in which every part has as many of each class as the whole. Ends the command if
    there is no such data set, or none that can be trained on.
    """
    try:
        if path is None:  # in its own order, whose last images have always been held out
            train, test = (_tensors(Split(*load_split(part)), spreads=False) for part in ("train", "test"))
            kind = FASHION
        else:
            reference = from_file(path)
            train, test = (_tensors(split, spreads=True) for split in (reference.train, reference.test))
            names = reference.class_names or tuple(map(str, range(reference.num_classes)))
            channels, height, width = train[0].shape[1:]
            kind = ImageKind(reference.name, (channels, height, width), names, sha256_of(path))
    except (FileNotFoundError, TandemError) as error:
        raise SystemExit(f"error: {error}") from None
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in kind.shape[1:]):
        raise SystemExit(f"error: {path}: images of {kind.shape[1:]}; accepted: {MIN_SIDE} to {MAX_SIDE} pixels a side")
    held_out = min(NUM_HELD_OUT, len(train[0]) // HELD_OUT_PART)
    return DataSet(kind, *_cut(train, held_out), test)


def _tensors(split: Split, spreads: bool) -> tuple[Tensor, Tensor]:
    rows = _spread(split.labels) if spreads else np.arange(len(split.labels))
    pixels = np.moveaxis(with_channels(split.images[rows]), 3, 1)
    return torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(split.labels[rows])


def _spread(labels: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return an order of rows, which are in the order of their classes, that spreads each class evenly over it."""
    first, last = np.searchsorted(labels, labels), np.searchsorted(labels, labels, side="right")
    return np.argsort((np.arange(len(labels)) - first + 0.5) / (last - first), kind="stable")


def _cut(split: tuple[Tensor, Tensor], held_out: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    images, labels = split
    return (images[:-held_out], labels[:-held_out]), (images[-held_out:], labels[-held_out:])


def to_model_range(pixels: Tensor) -> Tensor:
    """Return uint8 pixels as floats in -1..1."""
    return pixels.float().div(127.5).sub(1)


def to_pixels(values: Tensor) -> Tensor:
    """Return values in -1..1 as uint8 pixels, rounded; what lies outside is cut off."""
    return values.float().add(1).mul(127.5).round().clamp(0, 255).byte()


def shuffled_batches(count: int, batch_size: int, seed: int, first_step: int) -> Iterator[Tensor]:
    """Yield index tensors [batch_size] without end, epoch after epoch; the order depends on seed and step alone.

    If there are fewer than that, a batch has all of them.
    """
    per_epoch = max(1, count // batch_size)
    epoch, position = divmod(first_step, per_epoch)
    while True:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7919 + epoch))
        yield from order.split(batch_size)[position:per_epoch]
        epoch, position = epoch + 1, 0


def image_batches(
    images: tuple[Tensor, Tensor], batch_size: int, seed: int, first_step: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images [B, C, H, W] in -1..1, labels [B]) of a split."""
    pixels, labels = images
    for chosen in shuffled_batches(len(labels), batch_size, seed, first_step):
        yield to_model_range(pixels[chosen]).contiguous(memory_format=torch.channels_last), labels[chosen]


def write_sheet(pixels: Tensor, num_columns: int, path: Path) -> None:
    """Write images [N, C, H, W] uint8 as one, row by row, enlarged."""
    count, channels, height, width = pixels.shape
    rows = count // num_columns
    sheet = pixels.view(rows, num_columns, channels, height, width).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(rows * height, num_columns * width, channels).cpu()
    image = Image.fromarray((sheet.squeeze(2) if channels == 1 else sheet).numpy())
    scale = max(1, SHEET_SIDE // max(height, width))
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)
