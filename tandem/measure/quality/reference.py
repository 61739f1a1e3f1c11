"""The real images that generated ones are measured against. Knows no judge."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.errors import InvalidArgument
from tandem.measure.quality.fashion_mnist import load_split

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")

MIN_PER_CLASS = 10


@dataclass(frozen=True, eq=False)
class Split:
    """`images` [N, H, W] uint8 and their `labels` [N], 0 to the number of classes - 1."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def of_class(self, label: int) -> npt.NDArray[np.uint8]:
        chosen: npt.NDArray[np.uint8] = self.images[self.labels == label]
        return chosen

    def by_class(self) -> "Split":
        """Return the same in the order of the classes.

        Jackknives leave out every tenth image: of each class a tenth then, as a balanced set varies less, and is
        less biased, than one whose classes are by chance.
        """
        rows = np.argsort(self.labels, kind="stable")
        return Split(self.images[rows], self.labels[rows])

    def balanced(self, num_per_class: int, num_classes: int) -> "Split":
        """Return the first images of each class, in the order of the classes; at most as many as the rarest one has."""
        num_per_class = min(num_per_class, *(int((self.labels == label).sum()) for label in range(num_classes)))
        rows = np.concatenate([np.flatnonzero(self.labels == label)[:num_per_class] for label in range(num_classes)])
        return Split(self.images[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Reference:
    """What the model was trained on, and what it has never seen."""

    name: str
    train: Split
    test: Split

    @property
    def num_classes(self) -> int:
        return int(max(self.train.labels.max(initial=0), self.test.labels.max(initial=0))) + 1

    def check(self) -> None:
        """Raises InvalidArgument unless both splits have images of one size and every class."""
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise InvalidArgument("reference: test_images", list(self.test.images.shape), "the training images' size")
        for name, split in (("train_labels", self.train), ("test_labels", self.test)):
            is_known = split.labels.min(initial=0) >= 0
            counts = np.bincount(split.labels, minlength=self.num_classes).tolist() if is_known else [0]
            if min(counts) < MIN_PER_CLASS:
                accepted = f"0 to {self.num_classes - 1}, each {MIN_PER_CLASS} times or more"
                raise InvalidArgument(f"reference: {name}", counts, accepted)


def reference_of(path: Path | None) -> Reference:
    """Return the images of an .npz file, those of Fashion-MNIST without one. Raises what the two functions below do."""
    return fashion_mnist() if path is None else from_file(path)


def fashion_mnist() -> Reference:
    """Return it in the order of the classes. Raises FileNotFoundError if the data set is not installed."""
    return Reference("Fashion-MNIST", Split(*load_split("train")).by_class(), Split(*load_split("test")).by_class())


def from_file(path: Path) -> Reference:
    """Read an .npz file of train_images, train_labels, test_images and test_labels, in the order of the classes.

    Raises InvalidArgument.
    """
    if not zipfile.is_zipfile(path):
        raise InvalidArgument("reference", str(path), "an .npz file that is there")
    with np.load(path, allow_pickle=False) as file:
        if not set(_ARRAYS) <= set(file):
            raise InvalidArgument("reference", str(path), f"an .npz file with {', '.join(_ARRAYS)}")
        try:
            arrays = {name: np.asarray(file[name]) for name in _ARRAYS}
        except ValueError:
            raise InvalidArgument("reference", str(path), "an .npz file without Python objects") from None
    train, test = (_split(arrays, prefix) for prefix in ("train", "test"))
    reference = Reference(path.stem, train, test)
    reference.check()
    return reference


def _split(arrays: dict[str, npt.NDArray[np.generic]], prefix: str) -> Split:
    images, labels = arrays[f"{prefix}_images"], arrays[f"{prefix}_labels"]
    if images.dtype != np.uint8 or images.ndim != 3:
        found = f"{images.dtype} {list(images.shape)}"
        raise InvalidArgument(f"reference: {prefix}_images", found, "uint8 [number, height, width]")
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise InvalidArgument(f"reference: {prefix}_labels", found, f"whole numbers [{len(images)}]")
    return Split(images.astype(np.uint8, copy=False), labels.astype(np.int64)).by_class()
