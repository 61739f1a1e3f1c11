"""A quantile that Prometheus finds in the buckets is within 10 % of the exact one of the same requests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from runtime.histogram import Distribution
from tandem.shared.metrics import SECONDS_BUCKETS

SHARES = (0.5, 0.9, 0.95, 0.99)


def log_normal(chance: np.random.Generator, centre: float, size: int) -> NDArray[np.float64]:
    return chance.lognormal(math.log(centre), 0.5, size)


def exponential(chance: np.random.Generator, centre: float, size: int) -> NDArray[np.float64]:
    return chance.exponential(centre, size)


def bimodal(chance: np.random.Generator, centre: float, size: int) -> NDArray[np.float64]:
    """Seven of ten take as long, and three twice as long, each to a hundredth: less than a bucket's width."""
    return chance.choice([centre, 2 * centre], size, p=[0.7, 0.3]) * chance.normal(1.0, 0.01, size)


def steady(chance: np.random.Generator, centre: float, size: int) -> NDArray[np.float64]:
    """All take just as long: what a machine does that has nothing else to do."""
    return np.full(size, centre)


@pytest.mark.parametrize("centre", [0.00025, 0.0317, 1.6, 20.0])
@pytest.mark.parametrize("distribution", [log_normal, exponential, bimodal, steady])
def test_within_a_tenth_of_the_exact_quantile(distribution: object, centre: float) -> None:
    assert callable(distribution)
    chance = np.random.default_rng(7)
    size = 1000
    # Ten places within a bucket, for a narrow distribution's error depends on where it lies.
    for shift in np.linspace(1.0, 1.19, 10):
        seconds = np.clip(distribution(chance, centre * shift, size), 1.1e-4, 97.0)
        counted = Distribution(SECONDS_BUCKETS)
        for value in seconds:
            counted.observe(value)
        for share in SHARES:
            exact = float(np.quantile(seconds, share, method="inverted_cdf"))
            assert counted.quantile(share) == pytest.approx(exact, rel=0.1), (share, shift)
