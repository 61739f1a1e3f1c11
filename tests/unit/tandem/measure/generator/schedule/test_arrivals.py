import numpy as np
import pytest

from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.scenario import OpenLoop
from tests.unit.tandem.measure.scenarios import open_scenario


def arrivals(rate: float = 100.0, **settings):
    scenario = open_scenario(rate, **settings)
    assert isinstance(scenario.load, OpenLoop)
    return intended_seconds(scenario, scenario.load)


def test_constant_arrivals_are_evenly_spaced_from_the_beginning():
    np.testing.assert_allclose(arrivals(4.0, arrivals="constant", duration_seconds=1.0), [0.0, 0.25, 0.5, 0.75])


def test_a_number_of_requests_does_not_count_the_warm_up():
    times = arrivals(50.0, num_requests=200, warm_up_seconds=2.0)
    assert np.sum(times >= 0.0) == 200
    assert np.sum(times < 0.0) > 50


def test_poisson_arrivals_have_the_rate_and_exponential_gaps():
    times = arrivals(1000.0, duration_seconds=100.0)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(100_000, abs=4 * 100_000**0.5)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.02)
    assert np.quantile(gaps, 0.99) == pytest.approx(-np.log(0.01) / 1000, rel=0.05)
    # Counts of disjoint seconds are independent with the variance of their mean.
    counts = np.bincount(times.astype(int))
    assert np.var(counts) == pytest.approx(np.mean(counts), rel=0.5)
    assert abs(np.corrcoef(counts[:-1], counts[1:])[0, 1]) < 0.35


@pytest.mark.parametrize(("first", "last"), [(10.0, 30.0), (30.0, 10.0), (10.0, 10.0), (10.0, 10.000001)])
def test_a_ramp_has_the_rate_of_its_instant(first, last):
    times = arrivals(first, end_rate_per_second=last, arrivals="constant", duration_seconds=10.0)
    assert len(times) == pytest.approx((first + last) / 2 * 10, abs=1)
    for second in range(10):
        expected = first + (last - first) * (second + 0.5) / 10
        assert np.sum((times >= second) & (times < second + 1)) == pytest.approx(expected, abs=1)


def test_the_seed_decides():
    same, again, other = (arrivals(seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(same, again)
    assert not np.array_equal(same[:50], other[:50])
