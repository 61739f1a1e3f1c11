"""Reading a user's own reference data, and what is wrong with some."""

from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.reference import Split, from_file
from tandem.shared.errors import InvalidArgument


def arrays() -> dict[str, np.ndarray]:
    labels = np.repeat(np.arange(2), 10)
    images = np.zeros((20, 3, 5), np.uint8)
    return {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}


def saved(folder: Path, **changes: np.ndarray) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **{**arrays(), **changes})
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    reference = from_file(saved(tmp_path, train_labels=np.repeat(np.arange(2, dtype=np.uint8), 10)))
    assert reference.name == "mine"
    assert reference.num_classes == 2
    assert reference.train.of_class(1).shape == (10, 3, 5)
    assert reference.train.labels.dtype == np.int64


def test_of_images_in_colour_that_are_not_divided_every_sixth_of_each_class_is_for_testing(tmp_path: Path) -> None:
    labels = np.tile(np.arange(2), 60)
    images = np.zeros((120, 3, 5, 3), np.uint8) + np.arange(120, dtype=np.uint8)[:, None, None, None]
    np.savez(tmp_path / "all.npz", images=images, labels=labels, names=np.array(["even", "odd"]))
    reference = from_file(tmp_path / "all.npz")
    assert reference.class_names == ("even", "odd")
    assert reference.test.images[:, 0, 0, 0].tolist() == [*range(10, 120, 12), *range(11, 120, 12)]
    assert reference.test.labels.tolist() == [0] * 10 + [1] * 10
    assert reference.train.images.shape == (100, 3, 5, 3)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"train_images": np.zeros((20, 3, 5))}, "train_images"),
        ({"test_images": np.zeros((20, 3, 5, 2), np.uint8)}, "test_images"),
        ({"train_images": np.zeros((20, 3, 5, 3), np.uint8)}, "test_images"),
        ({"names": np.array(["a", "b", "c"])}, "names"),
        ({"test_images": np.zeros((20, 4, 5), np.uint8)}, "test_images"),
        ({"test_labels": np.zeros(20)}, "test_labels"),
        ({"test_labels": np.zeros(19, int)}, "test_labels"),
        ({"test_labels": np.repeat([0, 1], [19, 1])}, "test_labels"),
        ({"train_labels": np.repeat([-1, 0], 10)}, "train_labels"),
        ({"train_labels": np.repeat([0, 2], 10)}, "train_labels"),
        ({"train_images": np.zeros((0, 3, 5), np.uint8), "train_labels": np.zeros(0, int)}, "train_labels"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, changes: dict[str, np.ndarray], field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        from_file(saved(tmp_path, **changes))


def test_images_are_put_in_the_order_of_their_classes_and_else_stay_as_they_were(tmp_path: Path) -> None:
    images = np.arange(20, dtype=np.uint8).reshape(20, 1, 1) + np.zeros((20, 3, 5), np.uint8)
    turns = np.tile(np.arange(2), 10)
    reference = from_file(
        saved(tmp_path, test_images=images, test_labels=turns, train_images=images, train_labels=turns)
    )
    for split in (reference.train, reference.test):
        assert split.labels.tolist() == [0] * 10 + [1] * 10
        assert split.images[:, 0, 0].tolist() == [*range(0, 20, 2), *range(1, 20, 2)]


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", train_images=np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(InvalidArgument, match="test_labels"):
        from_file(tmp_path / "some.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.npz"
    path.write_bytes(content)
    with pytest.raises(InvalidArgument, match="npz"):
        from_file(path)


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="without Python objects"):
        from_file(saved(tmp_path, train_labels=np.array([object()] * 20)))


def test_a_balanced_part_has_the_first_images_of_each_class() -> None:
    split = Split(np.arange(6, dtype=np.uint8).reshape(6, 1, 1), np.array([1, 0, 1, 0, 0, 1]))
    part = split.balance(2, 2)
    assert part.labels.tolist() == [0, 0, 1, 1]
    assert part.images.ravel().tolist() == [1, 3, 0, 2]


def test_a_balanced_part_is_as_large_as_the_rarest_class_lets_it() -> None:
    split = Split(np.zeros((5, 1, 1), np.uint8), np.array([0, 0, 0, 1, 1]))
    assert split.balance(3, 2).labels.tolist() == [0, 0, 1, 1]
