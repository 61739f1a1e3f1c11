"""The capacity by search, of a server whose limit is known, and as a curve tells it."""

import asyncio

import pytest

from tandem.measure.results.comparison import Capacity, Point, Probe
from tandem.measure.studies.comparison.capacity import first_rate, from_curve, searched
from tandem.measure.studies.comparison.points import point
from tests.unit.tandem.measure.studies.comparison.seen import MODES, trial

SLO_SECONDS = 0.25


def search(begin: float, limit: float) -> Capacity:
    async def attempt(rate: float) -> Probe:
        return Probe(rate_per_second=rate, p99_seconds=0.1, num_failed=0, meets=rate <= limit)

    return asyncio.run(searched(begin, SLO_SECONDS, attempt))


@pytest.mark.parametrize("begin", [60.0, 100.0, 137.0, 300.0])
def test_the_search_finds_the_limit(begin: float) -> None:
    found = search(begin, limit=137.0)
    assert found.images_per_second is not None
    assert 137.0 / 1.2 < found.images_per_second <= 137.0
    assert not found.is_lower_bound
    assert len(found.probes) == 6


def test_a_limit_that_was_not_reached_is_a_lower_bound() -> None:
    found = search(10.0, limit=1e9)
    assert found.is_lower_bound
    assert found.images_per_second == pytest.approx(10.0 * 1.4**5)


def test_nothing_that_meets_the_objective_is_none() -> None:
    found = search(10.0, limit=0.0)
    assert found.images_per_second is None
    assert not found.is_lower_bound


def points(*seconds: float, failed: int = 0) -> list[Point]:
    """Return a curve of 1, 2, 4, ... callers whose requests take so long."""
    mode = MODES["sequential unary"]
    return [
        point(mode, 2**number, [(0, trial(mode.name, 2**number, [took] * (10 * 2**number), failed=failed))], 0.95)
        for number, took in enumerate(seconds)
    ]


def test_a_curve_tells_its_best_point_within_the_objective() -> None:
    found = from_curve(points(0.1, 0.2, 0.3, 0.6), SLO_SECONDS)
    assert (found.images_per_second, found.concurrency, found.is_lower_bound) == (20.0, 2, False)
    assert found.method == "curve"


def test_a_curve_within_the_objective_is_a_lower_bound() -> None:
    found = from_curve(points(0.1, 0.2), SLO_SECONDS)
    assert (found.images_per_second, found.is_lower_bound) == (20.0, True)


def test_a_point_with_errors_does_not_count() -> None:
    assert from_curve(points(0.1, failed=1), SLO_SECONDS).images_per_second is None


def test_where_a_search_begins() -> None:
    curve = points(0.3, 0.6)
    nothing = from_curve(curve, SLO_SECONDS)
    assert nothing.images_per_second is None
    assert first_rate(curve, nothing) == 5.0
    assert first_rate(curve, from_curve(curve, 0.5)) == 10.0
