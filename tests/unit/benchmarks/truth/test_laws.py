"""The quantiles of the laws are what their delays and stalls come to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.truth.laws import LAWS, TABLE_SIZE, Law


@pytest.mark.parametrize("name", ["fixed", "bimodal", "exponential"])
def test_quantiles_of_a_table_are_those_of_its_delays(name: str) -> None:
    law = LAWS[name]
    assert TABLE_SIZE % len(law.delays) == 0
    for share in (0.5, 0.9, 0.99):
        assert law.quantile(share) == float(np.quantile(law.delays, share, method="inverted_cdf"))


def test_the_exponential_law_has_the_quantiles_of_its_mean() -> None:
    law = LAWS["exponential"]
    assert np.mean(law.delays) == pytest.approx(0.03, rel=0.01)
    assert law.quantile(0.5) == pytest.approx(0.03 * math.log(2), rel=0.01)
    assert law.quantile(0.99) == pytest.approx(0.03 * math.log(100), rel=0.06)


def test_a_stall_is_seen_by_those_who_arrive_in_it() -> None:
    """Simulated: a request each millisecond over two whole periods."""
    law = Law("stall", (0.02,), (2.0, 0.3))
    arrivals = np.arange(0.0005, 4.0, 0.001)
    waits = 0.02 + np.maximum(0.0, 0.3 - arrivals % 2.0)
    for share in (0.5, 0.8, 0.9, 0.99):
        exact = float(np.quantile(waits, share, method="inverted_cdf"))
        assert law.quantile(share) == pytest.approx(exact, abs=0.0011)
