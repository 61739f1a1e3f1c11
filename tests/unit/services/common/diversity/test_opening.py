import numpy as np
import pytest

from services.common.diversity.opening import MAX_SIDE, pixel_features


def test_small_pictures_are_their_pixels_from_0_to_1():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 28, 20, 3)).astype(np.float32)
    features = pixel_features(images, (-1.0, 1.0))
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, (images.reshape(3, -1) + 1) / 2, atol=1e-6)


@pytest.mark.parametrize(("side", "cells"), [(32, 32), (33, 16), (64, 32), (65, 21), (256, 32)])
def test_large_pictures_are_averaged_over_squares(side, cells):
    features = pixel_features(np.full((2, side, side, 1), 0.25, np.float32), (0.0, 1.0))
    assert cells <= MAX_SIDE
    assert features.shape == (2, cells * cells)
    np.testing.assert_allclose(features, 0.25)


def test_squares_are_squares():
    image = np.zeros((1, 64, 64, 1), np.float32)
    image[0, 2:4, 6:8] = 1.0
    features = pixel_features(image, (0.0, 1.0)).reshape(32, 32)
    assert features[1, 3] == 1.0
    assert features.sum() == 1.0
