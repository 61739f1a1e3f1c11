"""Which images pass for those that were asked for."""

import numpy as np
import pytest

from benchmarks.harness.run import LoadFailed
from benchmarks.parallel.check import mean_levels_off

EXPECTED = np.random.default_rng(0).integers(0, 240, (16, 784)).astype(np.uint8)


def test_the_images_may_come_in_any_order() -> None:
    assert mean_levels_off(EXPECTED[::-1], EXPECTED) == 0


def test_a_rounded_image_passes_and_the_worst_one_is_reported() -> None:
    images = EXPECTED.copy()
    images[3] += 1
    assert mean_levels_off(images, EXPECTED) == 1


def test_another_image_does_not_pass() -> None:
    images = EXPECTED.copy()
    images[3] = images[3, ::-1]
    with pytest.raises(LoadFailed, match="other images"):
        mean_levels_off(images, EXPECTED)


def test_an_image_that_comes_twice_does_not_pass_for_two() -> None:
    images = EXPECTED.copy()
    images[3] = images[4]
    with pytest.raises(LoadFailed, match="15 found"):
        mean_levels_off(images, EXPECTED)


def test_a_missing_image_is_told() -> None:
    with pytest.raises(LoadFailed, match=r"\[15, 784\] came back where \[16, 784\]"):
        mean_levels_off(EXPECTED[1:], EXPECTED)
