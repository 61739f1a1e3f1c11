import numpy as np
import pytest

from benchmarks.harness.load import LoadFailed
from benchmarks.parallel.measuring import levels_off

EXPECTED = np.random.default_rng(0).integers(0, 256, (4, 784)).astype(np.uint8)


def test_a_rounded_image_passes_and_the_worst_one_is_reported():
    images = EXPECTED.copy()
    images[2] = np.clip(images[2].astype(int) + 2, 0, 255)
    assert 1.5 < levels_off(images, EXPECTED) <= 2


@pytest.mark.parametrize("images", [EXPECTED[[1, 0, 2, 3]], EXPECTED[:3], 255 - EXPECTED])
def test_other_images_do_not_pass(images):
    with pytest.raises(LoadFailed, match="came back"):
        levels_off(images, EXPECTED)
