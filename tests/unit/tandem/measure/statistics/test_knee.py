"""Fits of known times: found again, chosen by shape, and called poor where neither fits."""

import numpy as np
import pytest

from tandem.measure.statistics.knee import Cost, fit_cost

STREAMS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 48.0, 64.0]


@pytest.mark.parametrize("shape", ["sum", "max"])
@pytest.mark.parametrize("seed", range(20))
def test_a_known_step_time_is_found_again(shape, seed):
    random = np.random.default_rng(seed)
    knee = random.uniform(3.0, 30.0)
    true = Cost(shape, 0.006, 0.006 / knee)
    rounds = [(true(np.array(STREAMS)) * random.uniform(0.98, 1.02, len(STREAMS))).tolist() for _ in range(5)]
    fit = fit_cost(STREAMS, rounds)
    assert fit is not None
    assert fit.shape == shape
    assert fit.is_good
    assert fit.shared_seconds == pytest.approx(0.006, rel=0.05)
    assert fit.knee.value == pytest.approx(knee, rel=0.1)
    assert fit.knee.low <= fit.knee.high
    assert Cost(shape, fit.shared_seconds, fit.own_seconds)(64.0) == pytest.approx(true(64.0), rel=0.05)


def test_the_median_is_fitted_so_one_disturbed_round_changes_little():
    calm = Cost("sum", 0.006, 0.001)(np.array(STREAMS))
    fit = fit_cost(STREAMS, [calm.tolist(), calm.tolist(), (calm * 3).tolist()])
    assert fit is not None
    assert fit.knee.value == pytest.approx(6.0)
    assert fit.worst_relative_residual < 1e-6


def test_what_costs_nothing_of_its_own_has_no_knee():
    fit = fit_cost([1.0, 2.0, 4.0], [[0.006] * 3])
    assert fit is not None
    assert fit.knee is None or fit.knee.value >= 4.0


def test_what_fits_neither_shape_is_called_poor():
    fit = fit_cost(STREAMS, [[0.006 * (1 + number % 2) for number in range(len(STREAMS))]])
    assert fit is not None
    assert not fit.is_good


@pytest.mark.parametrize("seed", range(10))
def test_a_line_is_found_again(seed):
    random = np.random.default_rng(seed)
    tokens = [64.0, 128.0, 256.0, 512.0, 1024.0, 2000.0]
    seconds = [(0.006 + 2e-6 * each) * random.uniform(0.99, 1.01) for each in tokens]
    fit = fit_cost(tokens, [seconds], ["sum"])
    assert fit is not None
    assert fit.shared_seconds == pytest.approx(0.006, rel=0.03)
    assert fit.own_seconds == pytest.approx(2e-6, rel=0.1)
    assert fit.is_good


def test_a_line_has_no_negative_part():
    fit = fit_cost([1.0, 2.0, 3.0], [[3.0, 2.0, 1.0]], ["sum"])
    assert fit is not None
    assert fit.own_seconds == 0.0


def test_what_took_no_time_has_no_fit():
    assert fit_cost([1.0, 2.0, 3.0], [[0.0, 0.1, 0.2]], ["sum"]) is None
