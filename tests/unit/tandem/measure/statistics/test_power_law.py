"""Power laws that are known are found again, and what does not follow one is seen where it was held out."""

import numpy as np
import pytest

from tandem.measure.statistics.power_law import fit_law, fit_power_law, mean_value

STEPS = (1, 2, 4, 8, 12, 24)
NUM_IMAGES = 200


def excess(law, seed: int = 0, spread: float = 0.3):
    """Return bits of NUM_IMAGES images, each as much above or below the law in all its steps."""
    scale = np.random.default_rng(seed).lognormal(-(spread**2) / 2, spread, NUM_IMAGES)
    return scale[:, None] * np.array([law(each) for each in STEPS])


def test_the_line_goes_through_points_of_a_law():
    found = fit_power_law((1, 4, 12), np.array([2.0 * each**-1.5 for each in (1, 4, 12)]))
    assert (found.factor, found.exponent) == pytest.approx((2.0, 1.5))
    assert float(found(9.0)) == pytest.approx(2.0 / 27)


@pytest.mark.parametrize("seed", range(3))
def test_a_known_law_is_found_again_and_holds_where_it_was_not_fitted(seed):
    found = fit_law(STEPS, excess(lambda steps: 1.8 * steps**-1.6, seed))
    assert found is not None
    assert found.fitted_steps == (1, 4, 12)
    assert found.exponent.value == pytest.approx(1.6)
    assert found.factor_bits.value == pytest.approx(1.8, rel=0.1)
    assert found.factor_bits.low < found.factor_bits.value < found.factor_bits.high
    assert [each.steps for each in found.checks] == [2, 8, 24]
    for each in found.checks:
        assert each.predicted_bits == pytest.approx(each.measured_bits.value)


def test_the_interval_covers_the_factor_about_as_often_as_it_says():
    hits = []
    for seed in range(20):
        found = fit_law(STEPS, excess(lambda steps: 1.8 * steps**-1.6, seed))
        hits.append(found.factor_bits.low <= 1.8 <= found.factor_bits.high)
    assert sum(hits) >= 15  # of 20 at .95, a binomial lies below but once in 3,000


def test_what_is_no_power_law_misses_where_it_was_held_out():
    found = fit_law(STEPS, excess(lambda steps: 2.0 if steps == 8 else steps**-1.0, spread=0.01))
    assert found is not None
    missed = {each.steps: each.predicted_bits / each.measured_bits.value for each in found.checks}
    assert missed[2] == pytest.approx(1.0)
    assert missed[8] == pytest.approx(1 / 16, rel=0.01)


@pytest.mark.parametrize("steps", [(), (1,), (1, 8)])
def test_too_few_steps_have_no_law(steps):
    assert fit_law(steps, np.ones((NUM_IMAGES, len(steps)))) is None


def test_steps_that_cost_nothing_have_no_law():
    assert fit_law((1, 2, 4), np.zeros((NUM_IMAGES, 3))) is None


def test_steps_that_do_not_surely_cost_anything_are_neither_fitted_nor_check():
    bits = excess(lambda steps: 1.8 * steps**-1.6)
    bits[:, -2:] = np.random.default_rng(1).normal(0.0, 0.1, (NUM_IMAGES, 2))  # 12 and 24
    found = fit_law(STEPS, bits)
    assert found is not None
    assert found.fitted_steps == (1, 4)
    assert [each.steps for each in found.checks] == [2, 8]
    assert found.exponent.value == pytest.approx(1.6)


def test_a_mean_has_the_interval_of_its_standard_error():
    values = np.random.default_rng(1).normal(0.5, 0.1, NUM_IMAGES)
    found = mean_value(values)
    error = values.std(ddof=1) / NUM_IMAGES**0.5
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
