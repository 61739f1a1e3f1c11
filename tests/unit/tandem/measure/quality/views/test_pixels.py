"""Principal components against those of scikit-learn, and of images with fewer pixels than there are components."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tandem.measure.quality.distances import frechet_distance
from tandem.measure.quality.views.pixels import NUM_COMPONENTS, PixelComponents


def images(count: int, side: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    scale = np.random.default_rng(9).uniform(1, 30, (side, side))
    return (128 + random.normal(0, 1, (count, side, side)) * scale).clip(0, 255).astype(np.uint8)


def test_components_are_those_of_another_implementation_but_for_the_sign() -> None:
    real, others = images(500, 9), images(20, 9, seed=1)
    reference = PCA(NUM_COMPONENTS).fit(real.reshape(500, -1) / 255)
    expected = reference.transform(others.reshape(20, -1) / 255)
    found = PixelComponents(real).of(others)
    assert found.shape == (20, NUM_COMPONENTS)
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-9)


def test_of_large_images_the_means_of_four_pixels_are_taken_in_each_channel() -> None:
    small = images(200, 20).repeat(3, axis=0).reshape(200, 3, 20, 20).transpose(0, 2, 3, 1)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert PixelComponents(large).of(large) == pytest.approx(PixelComponents(small).of(small))


def test_with_all_components_the_distance_is_that_of_the_pixels() -> None:
    real, others = images(500, 4), images(300, 4, seed=1)
    components = PixelComponents(real)
    pixels = (each.reshape(len(each), -1) / 255 for each in (real, others))
    assert frechet_distance(components.of(real), components.of(others)) == pytest.approx(frechet_distance(*pixels))
