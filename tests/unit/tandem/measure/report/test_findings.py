"""A front leaves out what another surely beats in both; a verdict is a test of the difference, of what both share."""

import pytest

from tandem.measure.report.findings import VIEWS, Drawn, Verdict, fid_of, front, name_of, points_of, verdicts, wait_of
from tests.unit.tandem.measure.imagined_quality import distance, judged_images
from tests.unit.tandem.measure.report.conftest import a_comparison
from tests.unit.tandem.measure.studies.steps.imagined import document, judged


def point(seconds: float, fid: float) -> Drawn:
    """Return a point with this time alone and this FID."""
    some = points_of(document())[0]
    assert some.mode.alone is not None
    changes = {"value": seconds, "low": seconds - 0.1, "high": seconds + 0.1}
    p50 = some.mode.alone.figures["latency_p50_seconds"].model_copy(update=changes)
    alone = some.mode.alone.model_copy(update={"figures": {"latency_p50_seconds": p50}})
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


def test_points_are_the_unary_modes_of_models_that_draw_the_same() -> None:
    comparison = a_comparison()
    found = points_of(comparison)
    assert [name_of(each) for each in found] == ["ar", "gan"]
    assert [each.quality for each in found] == [each.quality for each in comparison.served]
    assert [each.mode.delivery for each in found] == ["unary", "unary"]
    assert points_of(None) == points_of(comparison.model_copy(update={"is_matched": False})) == ()


@pytest.mark.parametrize(
    ("gap", "word"), [(-0.2, "better"), (0.2, "worse"), (0.05, "no difference that 2,000 images can show")]
)
def test_intervals_that_overlap_may_be_of_a_sure_difference(gap: float, word: str) -> None:
    """Both have 0.12 on either side, so that even 0.2 overlaps; independent tenths make 0.17 of that on average."""
    found = Verdict(distance(0.7 + gap, 1, 0.12), distance(0.7, 2, 0.12))
    assert found.word == word
    assert (found.is_better, found.is_worse) == (word == "better", word == "worse")
    assert found.difference is not None
    assert found.difference.value == pytest.approx(gap)


def test_what_the_tenths_share_is_not_in_the_difference() -> None:
    """As of real images that both are held against: the same noise in both leaves none."""
    found = Verdict(distance(0.71, 1, 0.3), distance(0.7, 1, 0.3))
    assert found.is_worse
    assert found.figures.endswith("p < 0.001")


def test_without_tenths_nothing_is_sure() -> None:
    bare = distance(0.1, 1).model_copy(update={"tenths": ()})
    found = Verdict(bare, distance(0.9, 2))
    assert (found.difference, found.is_better, found.figures) == (None, False, "")


def test_each_view_has_its_own() -> None:
    found = verdicts(judged_images(0.3, 0.0), judged_images(0.9, 0.0))
    assert list(found) == list(VIEWS)
    assert [each.is_better for each in found.values()] == [True, False, False]
    assert verdicts(None, judged_images(0.9, 0.0)) == {}
