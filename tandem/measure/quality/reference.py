"""The real images that generated ones are measured against. Knows no judge."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tandem.measure.quality.fashion_mnist import CLASS_NAMES, load_split
from tandem.shared.errors import InvalidArgument

MIN_PER_CLASS = 10
TEST_SHARE = 6
"""Of a file that does not say which images are for testing, every sixth image of each class is."""
_TRAIN_AND_TEST = ("train_images", "train_labels", "test_images", "test_labels")
_ARRAYS = "images and labels, or train_images, train_labels, test_images and test_labels"


@dataclass(frozen=True, eq=False)
class Split:
    """`images` uint8, [N, H, W] or, in colour, [N, H, W, 3], and `labels` [N], 0 to the number of classes - 1."""

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

    def balance(self, num_per_class: int, num_classes: int) -> "Split":
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
    class_names: tuple[str, ...] = ()
    """Empty: not given."""

    @property
    def num_classes(self) -> int:
        return int(max(self.train.labels.max(initial=0), self.test.labels.max(initial=0))) + 1

    def check(self) -> None:
        """Raises InvalidArgument unless both splits have images of one size and every class."""
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise InvalidArgument("reference: test_images", list(self.test.images.shape), "the training images' size")
        if self.class_names and len(self.class_names) != self.num_classes:
            accepted = f"one for each of {self.num_classes} classes"
            raise InvalidArgument("reference: names", list(self.class_names), accepted)
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
    train, test = (Split(*load_split(part)).by_class() for part in ("train", "test"))
    return Reference("Fashion-MNIST", train, test, CLASS_NAMES)


def from_file(path: Path) -> Reference:
    """Read an .npz file of images and labels, or of train_images, train_labels, test_images and test_labels; with
    names of the classes, if it has `names`; in the order of the classes.

    Raises InvalidArgument.
    """
    if not zipfile.is_zipfile(path):
        raise InvalidArgument("reference", str(path), "an .npz file that is there")
    with np.load(path, allow_pickle=False) as file:
        wanted = ("images", "labels") if "images" in file else _TRAIN_AND_TEST
        if not set(wanted) <= set(file):
            raise InvalidArgument("reference", str(path), f"an .npz file with {_ARRAYS}")
        try:
            arrays = {name: np.asarray(file[name]) for name in (*wanted, *({"names"} & set(file)))}
        except ValueError:
            raise InvalidArgument("reference", str(path), "an .npz file without Python objects") from None
    if "images" in arrays:
        train, test = _divide(_split(arrays, ""))
    else:
        train, test = (_split(arrays, prefix) for prefix in ("train_", "test_"))
    reference = Reference(path.stem, train, test, tuple(map(str, arrays.get("names", np.array([])).tolist())))
    reference.check()
    return reference


def _split(arrays: dict[str, npt.NDArray[np.generic]], prefix: str) -> Split:
    images, labels = arrays[f"{prefix}images"], arrays[f"{prefix}labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[3:] not in ((), (1,), (3,)):
        found = f"{images.dtype} {list(images.shape)}"
        accepted = "uint8 [number, height, width], with a last axis of 1 or 3 channels or without one"
        raise InvalidArgument(f"reference: {prefix}images", found, accepted)
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        found = f"{labels.dtype} {list(labels.shape)}"
        raise InvalidArgument(f"reference: {prefix}labels", found, f"whole numbers [{len(images)}]")
    images = without_grey_axis(images.astype(np.uint8, copy=False))
    return Split(images, labels.astype(np.int64)).by_class()


def _divide(split: Split) -> tuple[Split, Split]:
    """Return what to train on and every TEST_SHARE-th image of each class, of images in the order of their classes."""
    first = np.searchsorted(split.labels, split.labels)  # where an image's class begins
    is_test = (np.arange(len(split.labels)) - first) % TEST_SHARE == TEST_SHARE - 1
    train, test = (Split(split.images[rows], split.labels[rows]) for rows in (~is_test, is_test))
    return train, test


def with_channels(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images of a `Split` as [N, H, W, C]."""
    return images if images.ndim == 4 else images[..., None]


def without_grey_axis(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images [N, H, W] or [N, H, W, C] as a `Split` has them."""
    return images[..., 0] if images.shape[3:] == (1,) else images
