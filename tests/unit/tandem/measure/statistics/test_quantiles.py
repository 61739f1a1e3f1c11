"""A quantile is a value that occurred, and says nothing where nothing lies beyond it."""

import numpy as np
import pytest

from tandem.measure.statistics.quantiles import can_show, nearest_rank, summary


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1000])
def test_it_is_the_inverse_of_the_empirical_distribution(count):
    values = np.random.default_rng(count).exponential(size=count)
    for q in (0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.991, 0.999, 1.0):
        assert nearest_rank(values, q) == np.quantile(values, q, method="inverted_cdf")


def test_a_quantile_needs_a_value_beyond_it():
    assert [can_show(0.99, count) for count in (0, 99, 100)] == [False, False, True]
    found = summary(np.arange(1.0, 101.0))
    assert (found.p50, found.p99, found.p999) == (50.0, 99.0, None)
