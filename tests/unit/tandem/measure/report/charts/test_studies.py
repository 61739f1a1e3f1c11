"""The picture that a report opens with: every point where it was measured, the fronts, and what real images have."""

from __future__ import annotations

import pytest

from tandem.measure.report.charts.chart import Chart, at
from tandem.measure.report.charts.studies import quality_chart, text_chart
from tandem.measure.report.findings import Drawn, points_of
from tandem.measure.results.comparison import Comparison
from tests.unit.tandem.measure.studies.steps.imagined import STEPS, document, judged
from tests.unit.tandem.measure.studies.text import imagined as texts


@pytest.fixture(scope="module")
def steps() -> Comparison:
    return document()


def chart_of(steps: Comparison) -> Chart:
    found = quality_chart(points_of(steps))
    assert found is not None
    return found


def test_every_point_stands_where_it_was_measured_with_its_intervals(steps: Comparison) -> None:
    series = {each.name: each for each in chart_of(steps).series}
    stepped = series["sar in K steps"]
    assert list(map(at, stepped.x)) == pytest.approx([5 + number for number in STEPS])
    assert list(map(at, stepped.y)) == pytest.approx([1.5 + 30 / number for number in STEPS])
    assert [fid.low for fid in stepped.y] == pytest.approx([1.4 + 30 / number for number in STEPS])
    assert list(stepped.notes) == ["1 step", "2", "4", "8", "12", "24", "49 steps"]
    assert [list(series[name].notes) for name in ("ar", "gan")] == [["ar"], ["gan"]]
    assert (list(map(at, series["gan"].x)), list(map(at, series["gan"].y))) == ([2.0], [0.7])
    assert list(map(at, series["ar"].x)) == pytest.approx([54.0])
    for each in (stepped, series["ar"], series["gan"]):
        assert all(x.low <= x.value <= x.high for x in each.x)


def test_the_fronts_are_edges(steps: Comparison) -> None:
    """Of all, the parallel one alone is the front, which has no edge; that of the others has a stair for each on it."""
    series = {each.name: each for each in chart_of(steps).series}
    assert list(series["Pareto front"].x) == []
    edge = list(zip(series["of the sequential"].x, series["of the sequential"].y, strict=True))
    marks = list(
        zip(*(map(at, side) for side in (series["sar in K steps"].x, series["sar in K steps"].y)), strict=True)
    )
    assert [any(mark == pytest.approx(corner) for corner in edge) for mark in marks] == [True] * 6 + [False]


def with_loss(point: Drawn, fid: float) -> Drawn:
    """Return the point of a model whose tokenizer leaves real images this FID."""
    assert point.quality is not None
    return point.model_copy(update={"quality": judged(point.quality.model.fid, 0.8, fid)})


def test_what_a_tokenizer_leaves_of_real_images_is_a_line(steps: Comparison) -> None:
    assert chart_of(steps).levels == []
    *in_steps, plain, parallel = points_of(steps)
    shared = [*(with_loss(each, 1.19) for each in (*in_steps, plain)), parallel]
    one = quality_chart(shared)
    assert one is not None
    assert [name for _, name in one.levels] == ["real images through the tokenizer: 1.2"]
    assert {1.19} == {at for at, _ in one.levels}
    two = quality_chart([*(with_loss(each, 1.19) for each in in_steps), with_loss(plain, 0.5), parallel])
    assert two is not None
    assert [name for _, name in two.levels] == [
        "real images through the tokenizer of sar: 1.2",
        "real images through the tokenizer of ar: 0.5",
    ]


def test_each_number_of_tokens_a_step_is_a_line_from_one_caller_on() -> None:
    document = texts.document()
    chart = text_chart(document)
    lines = [series for series in chart.series if series.style == "line"]
    assert [series.name for series in lines] == [mode.name for mode in document.modes]
    assert [series.role for series in lines] == ["sequential", *["parallel"] * 4, "neutral"]
    for series, mode in zip(lines, document.modes, strict=True):
        for callers, all_of_them, own in zip((1, 2, 4, 8, 16, 32, 64), series.x, series.y, strict=True):
            assert at(own) * callers == pytest.approx(at(all_of_them))
        assert series.titles[0].endswith("1 caller")
        told = next(each for each in chart.series if each.name == f"{mode.name}, predicted")
        assert list(told.x) == list(mode.predicted.values())
    labels = [series.notes for series in chart.series if series.is_labelled]
    assert labels == [[mode.name] for mode in document.modes]
    assert "1, 4, 16 callers alone" in chart.note


def test_a_study_of_nothing_has_no_chart() -> None:
    assert text_chart(texts.document(texts.study(num_rounds=0))).is_empty
