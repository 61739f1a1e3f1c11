"""Nearest neighbours, by hand and exact."""

import numpy as np
import pytest

from tandem.measure.quality.memorisation import nearest, unseen_threshold


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_distances_are_those_of_a_loop() -> None:
    some, others = images(6, 1), images(9, 2)
    gaps = np.array([[np.linalg.norm(a.astype(float) - b.astype(float)) for b in others] for a in some])
    found = nearest(some, others)
    assert found.indices.tolist() == gaps.argmin(axis=1).tolist()
    assert found.distances == pytest.approx(gaps.min(axis=1))


def test_one_percent_of_the_unseen_lies_within_the_threshold() -> None:
    distances = np.random.default_rng(1).permutation(np.arange(1000.0))
    assert (distances <= unseen_threshold(distances)).mean() == 0.01
