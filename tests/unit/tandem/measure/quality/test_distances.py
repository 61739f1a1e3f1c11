"""Distances of sets whose distance is known."""

import numpy as np
import pytest

from tandem.measure.quality.distances import distance, frechet_distance, kernel_distance, normals_of, squared_mmd


def normal(count: int, seed: int, mean: float = 0.0, scale: float = 1.0, dim: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, scale, (count, dim))


def with_moments(features: np.ndarray, mean: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return a set whose mean and covariance (diagonal) are exactly these."""
    centred = features - features.mean(axis=0)
    whitened = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T
    return whitened * scales + mean


def test_frechet_distance_of_shifted_and_scaled_normals_is_the_analytic_one() -> None:
    first_scales, second_scales = np.linspace(0.5, 2.0, 8), np.linspace(2.0, 1.0, 8)
    shift = np.linspace(-1.0, 1.0, 8)
    first = with_moments(normal(150, 1), np.zeros(8), first_scales)
    second = with_moments(normal(300, 2), shift, second_scales)
    expected = (shift**2).sum() + ((first_scales - second_scales) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute() -> None:
    """Against the definition, by scipy's general matrix square root."""
    linalg = pytest.importorskip("scipy.linalg")
    random = np.random.default_rng(3)
    first, second = (normal(200, seed) @ random.normal(size=(8, 8)) for seed in (4, 5))
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    gap = first.mean(axis=0) - second.mean(axis=0)
    expected = gap @ gap + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


def test_a_set_that_lies_in_a_plane_has_a_distance_all_the_same() -> None:
    flat = normal(50, 1) * np.array([1.0] * 2 + [0.0] * 6)
    assert frechet_distance(flat, flat) == pytest.approx(0.0, abs=1e-9)


def test_squared_mmd_is_the_sum_over_pairs() -> None:
    first, second = normal(7, 1, dim=3), normal(5, 2, mean=0.5, dim=3)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    def among(features: np.ndarray) -> float:
        count = len(features)
        pairs = [kernel(features[i], features[j]) for i in range(count) for j in range(count) if i != j]
        return sum(pairs) / len(pairs)

    between = np.mean([kernel(x, y) for x in first for y in second])
    assert squared_mmd(first, second) == pytest.approx(among(first) + among(second) - 2 * between)


def test_squared_mmd_of_the_same_distribution_is_nought_on_average() -> None:
    estimates = [squared_mmd(normal(20, 2 * seed), normal(20, 2 * seed + 1)) for seed in range(300)]
    assert abs(np.mean(estimates)) < 3 * np.std(estimates) / np.sqrt(len(estimates))


def test_kernel_distance_is_the_same_each_time_and_takes_small_sets() -> None:
    first, second = normal(30, 1), normal(20, 2)
    assert kernel_distance(first, second) == kernel_distance(first, second)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_a_distance_is_that_of_infinitely_many_whatever_the_number(shift: float) -> None:
    """Of 32 dimensions and 300 vectors the plain distance is 0.2 too large, more than the truth of 0.16."""
    real = normals_of(normal(1_500, 1, dim=32))
    truth = shift**2
    found = {}
    for count in (300, 1_500):
        draws = [normal(count, seed, dim=32) for seed in range(100, 130)]
        for each in draws:
            each[:, 0] += shift
        found[count] = [distance(each, real) for each in draws]
        assert np.mean([each.of_these for each in found[count]]) > truth + 0.03
        assert np.mean([each.value for each in found[count]]) == pytest.approx(truth, abs=0.03)
    covered = [each.low < truth < each.high for each in found[300] if each.low is not None and each.high is not None]
    assert np.mean(covered) >= 0.8


def test_of_few_vectors_there_are_no_tenths() -> None:
    found = distance(normal(99, 1), normals_of(normal(500, 2)))
    assert (found.tenths, found.low, found.value) == ((), None, found.of_these)


def test_tenths_of_every_class_do_not_count_classes_as_chance() -> None:
    """Sets with as many of each of three classes that lie far apart have little bias; out of order it is overrated."""

    def classes(seed: int) -> np.ndarray:
        return np.concatenate([normal(100, 10 * seed + place, mean=3.0 * place) for place in range(3)])

    random = np.random.default_rng(0)
    pairs = [(classes(each), classes(each + 500)) for each in range(30)]
    ordered = [distance(one, normals_of(other)).value for one, other in pairs]
    shuffled = [distance(random.permutation(one), normals_of(other)).value for one, other in pairs]
    assert np.mean(ordered) == pytest.approx(0.0, abs=0.02)
    assert np.mean(shuffled) < -0.05
