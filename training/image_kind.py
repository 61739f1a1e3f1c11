"""What a data set's images are like, and the one rule by which all networks here are sized from that.

The larger side is halved until at most MAX_GRID cells are left, once at least: 8 to 16 pixels once, 17 to 32 twice, up
to 64 three times. A cell is a token of the sequential models; the other networks go down to that grid, or start from
it. What a side lacks to a whole number of cells is added at its end while a network works.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional

from tandem.measure.quality.fashion_mnist import CLASS_NAMES

MIN_SIDE, MAX_SIDE = 8, 64
MAX_GRID = 8
FILE = "images.json"


@dataclass(frozen=True)
class ImageKind:
    """Channels, height and width of the images, and their classes; Fashion-MNIST's unless told otherwise."""

    data_set: str = "Fashion-MNIST"
    shape: tuple[int, int, int] = (1, 28, 28)
    class_names: tuple[str, ...] = CLASS_NAMES
    sha256: str = ""
    """Of the file that they come from."""

    @property
    def num_channels(self) -> int:
        return self.shape[0]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def num_halvings(self) -> int:
        side, count = max(self.shape[1:]), 1
        while side > MAX_GRID * 2**count:
            count += 1
        return count

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        height, width = (-(-side // 2**self.num_halvings) for side in self.shape[1:])
        return height, width

    @property
    def num_tokens(self) -> int:
        return self.grid[0] * self.grid[1]

    def pad(self, images: Tensor) -> Tensor:
        """Return images [B, C, H, W] of whole cells; their last rows and columns are repeated."""
        down, right = (
            cells * 2**self.num_halvings - side for cells, side in zip(self.grid, self.shape[1:], strict=True)
        )
        return functional.pad(images, (0, right, 0, down), mode="replicate") if down or right else images

    def crop(self, images: Tensor) -> Tensor:
        """Return images of whole cells [B, C, ...] without what was added."""
        height, width = self.shape[1:]
        return images if images.shape[2:] == (height, width) else images[:, :, :height, :width]

    def note(self, run: Path) -> None:
        """Write into a run's folder what it is trained on. Ends the command if that was something else before."""
        path = run / FILE
        if path.exists() and ImageKind.of(run) != self:
            raise SystemExit(f"error: {run} was trained on other images: {path.read_text()}; choose another folder")
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def of(cls, run: Path) -> "ImageKind":
        """Return what a run was trained on."""
        path = run / FILE
        return TypeAdapter(cls).validate_json(path.read_text()) if path.exists() else cls()


FASHION = ImageKind()
