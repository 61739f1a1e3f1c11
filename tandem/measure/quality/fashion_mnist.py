"""Fashion-MNIST as arrays, read from the IDX files of Debian's package `dataset-fashion-mnist`."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASS_NAMES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip
NUM_CLASSES = len(CLASS_NAMES)
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
