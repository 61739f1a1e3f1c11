"""The figures of sets that were made to have some fault."""

from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.judge import Judge
from tandem.measure.quality.reference import Split, from_file
from tandem.measure.quality.yardstick import Yardstick, nearest
from tandem.measure.results.quality import Quality
from tests.unit.tandem.measure.quality.small_world import NUM_CLASSES, pictures


@pytest.fixture(scope="module")
def yardstick(judge_folder: Path, reference_file: Path) -> Yardstick:
    return Yardstick(Judge(judge_folder / "judge.onnx"), from_file(reference_file))


def measured(yardstick: Yardstick, images: Split) -> Quality:
    floor = yardstick.floor(10)
    return yardstick.judge(images, yardstick.nearest_training_images(images), floor, None).model


def test_fresh_images_of_the_distribution_are_as_good_as_real_ones(yardstick: Yardstick) -> None:
    quality, floor = measured(yardstick, Split(*pictures(40, 5_000))), yardstick.floor(40).quality
    assert quality.accuracy == floor.accuracy == 1.0
    assert quality.fid == pytest.approx(floor.fid, rel=0.5)
    assert quality.coverage > 0.8
    assert all(0.8 < each.variance_ratio < 1.25 for each in quality.classes)
    assert quality.memorised < 0.2


def test_copies_of_training_images_are_all_memorised(yardstick: Yardstick, reference_file: Path) -> None:
    copies = from_file(reference_file).train
    quality = measured(yardstick, copies)
    assert quality.memorised == quality.worst_class_memorised == 1.0


def test_a_class_of_copies_shows_as_the_worst(yardstick: Yardstick, reference_file: Path) -> None:
    images, labels = pictures(40, 5_000)
    images[labels == 1] = from_file(reference_file).train.of_class(1)
    quality = measured(yardstick, Split(images, labels))
    assert quality.worst_class_memorised == quality.classes[1].memorised == 1.0
    assert quality.memorised == pytest.approx(np.mean([each.memorised for each in quality.classes]))


def test_one_percent_of_images_never_trained_on_counts_as_memorised(yardstick: Yardstick, reference_file: Path) -> None:
    assert {each.memorised for each in measured(yardstick, from_file(reference_file).test).classes} == {1 / 30}


def test_wrong_classes_are_no_hits(yardstick: Yardstick) -> None:
    images, labels = pictures(40, 5_000)
    wrong = Split(images, (labels + 1) % NUM_CLASSES)
    quality = measured(yardstick, wrong)
    assert quality.accuracy == 0.0
    assert quality.worst_class_fid > 20 * yardstick.floor(40).quality.worst_class_fid
    assert quality.fid == pytest.approx(measured(yardstick, Split(images, labels)).fid)


def test_one_image_a_class_repeated_has_no_variance_and_no_recall(yardstick: Yardstick) -> None:
    images, labels = pictures(40, 5_000)
    for label in range(NUM_CLASSES):
        images[labels == label] = images[labels == label][0]
    quality = measured(yardstick, Split(images, labels))
    assert [each.variance_ratio for each in quality.classes] == pytest.approx([0.0] * NUM_CLASSES)
    assert quality.recall == 0.0
    assert quality.coverage < 0.3
    assert quality.accuracy == 1.0


def noise(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_distances_are_those_of_a_loop() -> None:
    some, others = noise(6, 1), noise(9, 2)
    gaps = np.array([[np.linalg.norm(a.astype(float) - b.astype(float)) for b in others] for a in some])
    found = nearest(some, others)
    assert found.indices.tolist() == gaps.argmin(axis=1).tolist()
    assert found.distances == pytest.approx(gaps.min(axis=1))
