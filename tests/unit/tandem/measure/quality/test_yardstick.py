"""The figures of sets that were made to have some fault."""

from pathlib import Path

import numpy as np
import pytest

from tandem.measure.quality.judge import Judge
from tandem.measure.quality.reference import Split, from_file
from tandem.measure.quality.yardstick import Yardstick
from tandem.measure.results.quality import Quality
from tests.unit.tandem.measure.quality.small_world import NUM_CLASSES, pictures


@pytest.fixture(scope="module")
def yardstick(judge_folder: Path, reference_file: Path) -> Yardstick:
    return Yardstick(Judge(judge_folder / "judge.onnx"), from_file(reference_file))


def measured(yardstick: Yardstick, images: Split) -> Quality:
    return yardstick.measure(images, yardstick.nearest_training_images(images))


def test_fresh_images_of_the_distribution_are_as_good_as_real_ones(yardstick: Yardstick) -> None:
    quality, floor = measured(yardstick, Split(*pictures(40, 5_000))), yardstick.floor(40).quality
    assert quality.accuracy == floor.accuracy == 1.0
    assert quality.fid == pytest.approx(floor.fid, rel=0.5)
    assert quality.coverage > 0.8
    assert all(0.8 < each.variance_ratio < 1.25 for each in quality.classes)
    assert quality.memorised < 0.2


def test_the_views_agree_with_the_figures_of_the_same_images(yardstick: Yardstick) -> None:
    images = Split(*pictures(40, 5_000))
    assert yardstick.views(images.images).judge.value == pytest.approx(measured(yardstick, images).fid)
    floor = yardstick.floor(40)
    assert floor.views.judge.value == pytest.approx(floor.quality.fid)


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


def test_the_test_images_memorise_one_percent(yardstick: Yardstick) -> None:
    floor = yardstick.floor(40).quality
    assert floor.memorised == pytest.approx(0.01)
    assert floor.worst_class_memorised == 0.01


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


def test_the_floor_is_at_most_as_large_as_the_training_set(yardstick: Yardstick) -> None:
    assert yardstick.floor(10).quality.num_images == 10 * NUM_CLASSES
    assert yardstick.floor(1_000).quality.num_images == 40 * NUM_CLASSES
