"""The capacity as a curve tells it."""

from tandem.measure.results.comparison import Point
from tandem.measure.studies.comparison.points import capacity_of, point
from tests.unit.tandem.measure.studies.comparison.seen import MODES, trial

SLO_SECONDS = 0.25


def points(*seconds: float, failed: int = 0) -> list[Point]:
    """Return a curve of 1, 2, 4, ... callers whose requests take so long."""
    mode = MODES["sequential unary"]
    return [
        point(mode, 2**number, [(0, trial(mode.name, 2**number, [took] * (10 * 2**number), failed=failed))], 0.95)
        for number, took in enumerate(seconds)
    ]


def test_a_curve_tells_its_best_point_within_the_objective() -> None:
    found = capacity_of(points(0.1, 0.2, 0.3, 0.6), SLO_SECONDS)
    assert (found.images_per_second, found.concurrency, found.is_lower_bound) == (20.0, 2, False)


def test_a_curve_within_the_objective_is_a_lower_bound() -> None:
    found = capacity_of(points(0.1, 0.2), SLO_SECONDS)
    assert (found.images_per_second, found.is_lower_bound) == (20.0, True)


def test_a_point_with_errors_does_not_count() -> None:
    assert capacity_of(points(0.1, failed=1), SLO_SECONDS).images_per_second is None
