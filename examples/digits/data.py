"""scikit-learn's digits: 1,797 images of 8x8 pixels, each of 17 levels of grey, that come with the library."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

SIDE = 8
NUM_LEVELS = 17
NUM_CLASSES = 10
NUM_TEST_IMAGES = 450


class Digits(NamedTuple):
    """`levels` [N, 8, 8], whole numbers 0 to 16, and `labels` [N], 0 to 9."""

    levels: Tensor
    labels: Tensor

    def images(self) -> Tensor:
        """Return the images as the networks take them: float [N, 1, 8, 8] in -1..1."""
        return self.levels.unsqueeze(1) / 8 - 1

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the images as files hold them and services send them: [N, 8, 8] of 0 to 255."""
        return np.rint(self.levels.numpy() * (255 / 16)).astype(np.uint8)


def load() -> tuple[Digits, Digits]:
    """Return a training and a test part; the same ones each time."""
    bunch = load_digits()
    parts = train_test_split(
        bunch.images, bunch.target, test_size=NUM_TEST_IMAGES, stratify=bunch.target, random_state=0
    )
    train_images, test_images, train_labels, test_labels = (torch.from_numpy(part).long() for part in parts)
    return Digits(train_images, train_labels), Digits(test_images, test_labels)


def save_reference(train: Digits, test: Digits, path: Path) -> None:
    """Write what `tandem models evaluate --reference` reads."""
    np.savez_compressed(
        path,
        train_images=train.pixels(),
        train_labels=train.labels.numpy(),
        test_images=test.pixels(),
        test_labels=test.labels.numpy(),
    )
