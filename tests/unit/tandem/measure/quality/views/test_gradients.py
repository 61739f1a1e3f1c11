"""Histograms of gradients of images whose edges are known."""

import numpy as np
import pytest

from tandem.measure.quality.views.gradients import NUM_BINS, NUM_CELLS, histograms

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
