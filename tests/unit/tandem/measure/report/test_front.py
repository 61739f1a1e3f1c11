"""A front leaves out what another surely beats in both, and nothing else."""

import pytest

from tandem.measure.report.front import fid_of, front, name_of, points_of, wait_of
from tandem.measure.report.sources import Sources
from tandem.measure.results.steps import StepsPoint
from tests.unit.tandem.measure.report.conftest import a_comparison
from tests.unit.tandem.measure.studies.steps.imagined import document, judged


def point(seconds: float, fid: float) -> StepsPoint:
    """Return a point with this time alone and this FID."""
    some = document().points[0]
    assert some.mode.alone is not None
    assert some.mode.alone.latency.p50 is not None
    p50 = some.mode.alone.latency.p50.model_copy(update={"value": seconds, "low": seconds - 0.1, "high": seconds + 0.1})
    latency = some.mode.alone.latency.model_copy(update={"p50": p50})
    alone = some.mode.alone.model_copy(update={"latency": latency})
    mode = some.mode.model_copy(update={"curve": (alone,)})
    return some.model_copy(update={"mode": mode, "quality": judged(fid, 0.5)})


def front_of(*places: tuple[float, float]) -> list[tuple[float, float]]:
    """Return which of these times and FIDs the front has, each 0.1 on either side."""
    found = front([point(*each) for each in places])
    return [(wait.value, fid.value) for each in found if (wait := wait_of(each)) and (fid := fid_of(each))]


def test_what_is_surely_slower_and_surely_worse_is_left_out() -> None:
    assert front_of((2.0, 1.0), (1.0, 0.5), (3.0, 0.1)) == [(1.0, 0.5), (3.0, 0.1)]


@pytest.mark.parametrize("place", [(1.05, 1.0), (2.0, 0.55), (1.0, 0.5)])
def test_what_may_be_beaten_by_chance_stays(place: tuple[float, float]) -> None:
    assert place in front_of((1.0, 0.5), place)


def test_what_has_no_time_or_quality_is_left_out() -> None:
    known = point(2.0, 2.0)
    without = known.model_copy(update={"quality": None})
    unseen = known.model_copy(update={"mode": known.mode.model_copy(update={"curve": ()})})
    assert front([without, unseen, known]) == [known]


def test_without_a_measurement_over_steps_the_points_are_the_comparisons_unary_calls() -> None:
    comparison = a_comparison()
    sources = Sources()
    assert points_of(sources) == ()
    sources.add("comparison.json", comparison)
    found = points_of(sources)
    assert [name_of(each) for each in found] == ["ar", "gan"]
    assert [each.quality for each in found] == [each.quality for each in comparison.served]
    assert [each.mode.delivery for each in found] == ["unary", "unary"]
    steps = document()
    sources.add("steps.json", steps)
    assert points_of(sources) == steps.points
