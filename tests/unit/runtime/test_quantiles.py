import math

import pytest

from runtime.histogram import quantile


def test_nothing_observed() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {1.0: 0, math.inf: 0}) is None


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.25, 1.5), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0)])
def test_linear_inside_a_bucket(share: float, expected: float) -> None:
    # Four observations: none below 1, two in (1, 2], two in (2, 4].
    assert quantile(share, {1.0: 0, 2.0: 2, 4.0: 4, math.inf: 4}) == pytest.approx(expected)


def test_beyond_the_last_bound() -> None:
    assert quantile(0.99, {1.0: 1, math.inf: 10}) == 1.0
