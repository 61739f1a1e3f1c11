"""The images that were served and counted, as they were served: 8-bit pixels. Knows nothing of quality."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from tandem.client.images import grid
from tandem.measure.generator.requests.replies import Pixels

PADDING = 1


class Album:
    """The images of one model. Counts all, keeps the first ones of each class."""

    def __init__(self, num_classes: int, most_per_class: int) -> None:
        self._most = most_per_class
        self._kept: list[list[Pixels]] = [[] for _ in range(num_classes)]
        self._counts = [0] * num_classes

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def num_per_class(self) -> int:
        """As many are kept of every class."""
        return min(len(images) for images in self._kept)

    @property
    def num_balanced(self) -> int:
        """As many were served, if each class counts as often as the rarest."""
        return min(self._counts) * len(self._counts)

    def add(self, label: int, pixels: Pixels) -> None:
        """Take an image [H, W, C]."""
        self._counts[label] += 1
        if len(self._kept[label]) < self._most:
            self._kept[label].append(pixels)

    def balance(self, num_per_class: int) -> tuple[Pixels, npt.NDArray[np.int64]]:
        """Return the first images [N, H, W, C] of each class, in the order of the classes, and their labels [N]."""
        images = np.stack([image for kept in self._kept for image in kept[:num_per_class]])
        return images, np.repeat(np.arange(len(self._kept)), num_per_class)

    def samples_png(self, num_per_class: int) -> str:
        """Return an image of the first images, one row a class, as base64; empty where a class has none."""
        count = min(num_per_class, self.num_per_class)
        if not count:
            return ""
        canvas = grid(self.balance(count)[0], count, PADDING)
        file = io.BytesIO()
        Image.fromarray(canvas[..., 0] if canvas.shape[-1] == 1 else canvas).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()
