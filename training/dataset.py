"""Fashion-MNIST as arrays, read from the IDX files of Debian's package `dataset-fashion-mnist`.

Knows nothing of batches or models.
"""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
NUM_CLASSES = 10
_FILES = {"train": "train", "test": "t10k"}


def load_split(split: str, folder: Path = DEFAULT_FOLDER) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return (images [N, 28, 28] uint8, labels [N] in 0..9) of split "train" or "test"."""
    prefix = _FILES[split]
    images_path = folder / f"{prefix}-images-idx3-ubyte.gz"
    if not images_path.exists():
        raise FileNotFoundError(f"{images_path} is missing: install it with `apt-get install dataset-fashion-mnist`")
    images = _read_idx(images_path, header_bytes=16).reshape(-1, 28, 28)
    labels = _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", header_bytes=8)
    return images, labels.astype(np.int64)


def _read_idx(path: Path, header_bytes: int) -> npt.NDArray[np.uint8]:
    with gzip.open(path, "rb") as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header_bytes)


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
