"""A verdict is a test of the difference, of what both sides share as well."""

import pytest

from tandem.measure.report.verdict import VIEWS, Verdict, verdicts
from tests.unit.tandem.measure.imagined_quality import distance, judged_images


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
