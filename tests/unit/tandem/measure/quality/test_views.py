"""What each view of images sees, and what it does not."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tandem.measure.quality.distances import frechet_distance
from tandem.measure.quality.views import NUM_BINS, NUM_CELLS, NUM_COMPONENTS, Distances, PixelComponents, histograms


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


SIZE = 28
BLOCKS = (NUM_CELLS - 1, NUM_CELLS - 1, 4, NUM_BINS)


def ramp(angle: float, strength: float = 3.0) -> np.ndarray:
    """Return an image [1, SIZE, SIZE] that gets brighter in the direction of `angle`, in radians from the right."""
    down, right = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    values = 128 + strength * (np.cos(angle) * right + np.sin(angle) * down)
    return values.round().clip(0, 255).astype(np.uint8)[None]


def inner(features: np.ndarray) -> np.ndarray:
    """Return the middle block's cells, which touch no border: [4, NUM_BINS]."""
    return features.reshape(-1, *BLOCKS)[0, 1, 1]


@pytest.mark.parametrize("bin_number", range(NUM_BINS))
def test_a_ramp_in_the_middle_of_a_bin_fills_that_bin(bin_number: int) -> None:
    cells = inner(histograms(ramp((bin_number + 0.5) * np.pi / NUM_BINS)))
    assert cells.argmax(axis=1).tolist() == [bin_number] * 4


def test_an_orientation_between_two_bins_is_shared() -> None:
    cells = inner(histograms(ramp(0.0)))
    assert cells[:, 0] == pytest.approx(cells[:, -1])
    assert cells[:, 1:-1] == pytest.approx(0.0, abs=1e-6)


def test_blocks_are_of_length_one_and_plain_images_have_none() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE), dtype=np.uint8)
    lengths = np.linalg.norm(histograms(noise).reshape(5, 9, -1), axis=2)
    assert lengths == pytest.approx(1.0, abs=0.01)
    assert not histograms(np.full((2, SIZE, SIZE), 77, np.uint8)).any()


def test_in_colour_the_longest_gradient_of_the_channels_counts() -> None:
    colour = np.stack([ramp(0.2, 0.3), ramp(1.3, 5.0), ramp(2.4, 0.5)], axis=-1)
    assert histograms(colour) == pytest.approx(histograms(ramp(1.3, 5.0)), abs=1e-6)


def test_each_image_by_itself_and_of_any_size() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1_005, 9, 8), dtype=np.uint8)
    assert histograms(noise)[[0, 1_003]] == pytest.approx(histograms(noise[[0, 1_003]]))
