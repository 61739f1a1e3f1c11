"""A front holds what nothing beats, and nothing else: against a comparison of all pairs."""

import itertools

import numpy as np
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
    p50 = some.mode.alone.latency.p50.model_copy(update={"value": seconds})
    latency = some.mode.alone.latency.model_copy(update={"p50": p50})
    alone = some.mode.alone.model_copy(update={"latency": latency})
    mode = some.mode.model_copy(update={"curve": (alone,)})
    return some.model_copy(update={"mode": mode, "quality": judged(fid, 0.5)})


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_no_other_beats(seed: int) -> None:
    places = list(itertools.product(range(1, 5), range(1, 5)))
    random = np.random.default_rng(seed)
    chosen = [places[each] for each in random.choice(len(places), 6, replace=False)]
    found = front([point(float(x), float(y)) for x, y in chosen])
    wanted = sorted(each for each in chosen if not any(beats(other, each) for other in chosen))
    assert [(wait.value, fid_of(each)) for each in found if (wait := wait_of(each))] == wanted


def test_of_equals_one_is_enough() -> None:
    assert len(front([point(1.0, 1.0), point(1.0, 1.0)])) == 1


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
