"""Known curves are found again; a curve that is none of them is called poor elsewhere, see test_crossover."""

import numpy as np
import pytest

from tandem.measure.statistics.curve import Curve, Measured, fit_curve, fit_shape

BATCHES = np.repeat(np.array([1.0, 2, 4, 8, 16, 32, 64]), 10)


def of(seconds: np.ndarray, scale: np.ndarray | None = None) -> Measured:
    return Measured(BATCHES, seconds, seconds if scale is None else scale)


def noisy(curve: Curve, share: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.array([curve(each) for each in BATCHES]) * random.normal(1.0, share, len(BATCHES))


def test_an_affine_curve_is_found_exactly() -> None:
    found = fit_curve(of(noisy(Curve(0.002, 0.0001), 0.0)))
    assert found.shape == "affine"
    assert (found.base_seconds, found.slope_seconds) == (pytest.approx(0.002), pytest.approx(0.0001))


@pytest.mark.parametrize("true", [Curve(0.002, 0.00001, 8, 0.0002), Curve(0.001, 0.0005, 8, 0.00005)])
def test_a_knee_is_found_whichever_way_it_bends(true: Curve) -> None:
    found = fit_curve(of(noisy(true, 0.02)))
    assert found.shape == "knee"
    assert found.knee == pytest.approx(8)
    for batch in (1, 4, 8, 20, 64):
        assert found(batch) == pytest.approx(true(batch), rel=0.05)


def test_large_batches_do_not_decide_alone() -> None:
    """A hundredth of the longest time is ten times the shortest: plain least squares would lose the base in it."""
    true = Curve(0.001, 0.01)
    found = fit_shape(of(noisy(true, 0.05)), np.inf)
    assert found(1) == pytest.approx(true(1), rel=0.1)


def test_no_parameter_is_negative() -> None:
    found = fit_curve(of(0.001 * BATCHES**1.5))
    assert min(found.base_seconds, found.slope_seconds, found.slope_after_seconds) >= 0


def test_a_part_that_is_about_nothing_is_fitted_as_a_part() -> None:
    """Its noise is that of the whole, and may lie below 0."""
    noise = np.random.default_rng(5).normal(0.0, 0.01, len(BATCHES))
    found = fit_curve(of(0.005 * BATCHES + noise, np.ones_like(BATCHES)))
    assert found(64) == pytest.approx(0.32, rel=0.1)
    assert found(1) == pytest.approx(0.005, abs=0.01)


def test_too_little_of_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch sizes: only from 1 to 1\.1 measured; .* more callers, or longer runs"):
        fit_curve(Measured(np.array([1.0, 1.1]), np.array([0.1, 0.1]), np.array([0.1, 0.1])))
