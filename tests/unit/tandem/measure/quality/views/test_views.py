"""Each view notices what it is there for, and says how sure it is."""

import numpy as np
import pytest

from tandem.measure.quality.views.views import Distances


def bars(count: int, seed: int) -> np.ndarray:
    """Return images [N, 16, 16] of a bright bar, upright or lying, somewhere."""
    random = np.random.default_rng(seed)
    found = random.integers(0, 30, (count, 16, 16))
    for image in found:
        place = random.integers(2, 12)
        if random.integers(2):
            image[:, place : place + 3] += random.integers(100, 200)
        else:
            image[place : place + 3] += random.integers(100, 200)
    return found.astype(np.uint8)


def brightness(images: np.ndarray) -> np.ndarray:
    return np.stack([images.mean(axis=(1, 2)), images.std(axis=(1, 2))], axis=1)


@pytest.fixture(scope="module")
def distances() -> Distances:
    return Distances(brightness, bars(1_000, 1), bars(1_000, 2))


def test_fresh_images_are_near_in_every_view_within_their_intervals(distances: Distances) -> None:
    near, far = distances.to(bars(1_000, 3)), distances.to(255 - bars(1_000, 3))
    assert near.pixels.value < 0.05 * far.pixels.value
    assert near.judge.value < 0.05 * far.judge.value
    for view in (near.judge, near.pixels, near.gradients):
        assert view.method == "t"
        assert view.low is not None
        assert view.high is not None
        assert view.low < view.value < view.high


def test_lying_bars_alone_have_the_right_brightness_but_other_gradients(distances: Distances) -> None:
    images = bars(1_000, 3)
    upright = images.std(axis=1).mean(axis=1) < images.std(axis=2).mean(axis=1)
    lying = np.where(upright[:, None, None], images.transpose(0, 2, 1), images)
    fresh, turned = distances.to(images), distances.to(lying)
    assert turned.judge.value == pytest.approx(fresh.judge.value)
    assert turned.gradients.value > 10 * fresh.gradients.value
