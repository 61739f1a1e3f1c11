"""How far equal things differ: known from values that were drawn with a known spread."""

from __future__ import annotations

import math
import random

import pytest

from tandem.measure.generator.control import NUM_PAIRS, differences, slice_of
from tests.unit.tandem.measure.scenarios import open_scenario


def pairs(chance: random.Random, spread: float, factor: float = 1.0):
    return [(math.exp(chance.gauss(0, spread)), factor * math.exp(chance.gauss(0, spread))) for _ in range(NUM_PAIRS)]


@pytest.mark.parametrize("spread", [0.01, 0.1])
def test_equal_things_seldom_differ_by_more_and_the_bound_grows_with_the_spread(spread: float) -> None:
    chance = random.Random(3)
    found = [differences({("s", "p50"): pairs(chance, spread)})[0] for _ in range(400)]
    beyond = sum(abs(math.log(each.ratio)) > math.log1p(each.least) for each in found)
    assert 5 <= beyond <= 40  # of 20 that are expected
    mean = sum(each.least for each in found) / len(found)
    assert mean == pytest.approx(2.776 * spread * math.sqrt(2 / NUM_PAIRS), rel=0.2)


def test_a_true_difference_shows() -> None:
    (found,) = differences({("s", "p50"): pairs(random.Random(4), 0.01, factor=1.2)})
    assert found.ratio == pytest.approx(1.2, rel=0.02)
    assert found.ratio - 1 > found.least


def test_slices_make_up_the_whole() -> None:
    piece = slice_of(open_scenario(100.0, duration_seconds=10.0, warm_up_seconds=5.0))
    assert (piece.duration_seconds, piece.warm_up_seconds) == (10.0 / NUM_PAIRS, 1.0)
    assert slice_of(open_scenario(100.0, num_requests=11)).num_requests == 3
    with pytest.raises(ValueError, match="ramp"):
        slice_of(open_scenario(100.0, duration_seconds=10.0, end_rate_per_second=200.0))
