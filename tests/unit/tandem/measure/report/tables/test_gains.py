"""What sequence buys, on one screen: every view with both intervals, and what only one of the models can do."""

from __future__ import annotations

from tandem.measure.formats import seconds
from tandem.measure.report.front import points_of
from tandem.measure.report.sentences.answer import of_paradigm
from tandem.measure.report.sources import Sources
from tandem.measure.report.tables.gains import gains_table
from tandem.measure.results.quality import ClassQuality
from tandem.measure.results.steps import StepsPoint
from tests.unit.tandem.measure.imagined_quality import judged_images
from tests.unit.tandem.measure.report.conftest import a_comparison
from tests.unit.tandem.measure.studies.steps.imagined import document


def pair() -> tuple[StepsPoint, StepsPoint]:
    points = document().points
    first, second = of_paradigm(points, "sequential"), of_paradigm(points, "parallel")
    assert first is not None
    assert second is not None
    return first, second


def with_variances(point: StepsPoint, *ratios: float) -> StepsPoint:
    found = judged_images(0.7, 0.0)
    classes = tuple(ClassQuality(fid=1.0, accuracy=1.0, variance_ratio=each, memorised=0.0) for each in ratios)
    model = found.model.model_copy(update={"classes": classes})
    return point.model_copy(update={"quality": found.model_copy(update={"model": model})})


def test_all_views_and_the_rest_have_a_row() -> None:
    first, second = pair()
    comparison = a_comparison()
    varied = with_variances(first, 0.9, 0.8, 0.95), with_variances(second, 0.9, 0.7, 0.6)
    table = gains_table(*varied, document(), comparison)
    assert table is not None
    rows = [[str(cell) for cell in row.whole_cells] for row in table.rows]
    assert len(rows) == 6
    assert all("(" in row[1] and "(" in row[2] for row in rows[:3])
    assert rows[3][1:3] == ["0.80 (right)", "0.60 (top)"]
    assert rows[4][1].startswith("2.3 (")
    assert rows[4][2] == "none"
    for cell, mode in zip(rows[5][1:3], (comparison.modes[0], comparison.modes[2]), strict=True):
        assert mode.delivery == "streamed"
        assert mode.alone is not None
        assert mode.alone.first_output.p50 is not None
        assert cell.startswith(seconds(mode.alone.first_output.p50.value))


def test_what_was_not_measured_is_left_out() -> None:
    sources, comparison = Sources(), a_comparison()
    sources.add("comparison.json", comparison)
    first, second = points_of(sources)
    table = gains_table(first, second, comparison, None)
    assert table is not None
    assert len(table.rows) == 5
    assert gains_table(first.model_copy(update={"quality": None}), second, comparison, None) is None
