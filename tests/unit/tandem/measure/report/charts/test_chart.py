"""Charts as data."""

from __future__ import annotations

import pytest

from tandem.measure.report.charts.chart import Row, Series, Stack, log_ticks
from tandem.measure.report.charts.load import _cdf, first_output_chart
from tandem.measure.report.prose import tables
from tandem.measure.results.value import Histogram
from tests.unit.tandem.measure.report.conftest import a_comparison

STACK = Stack("phases", "t", [Row("a", "sequential", {"decode": 0.06, "queue": 0.01, "outside": 0.03})])


def test_parts_stand_in_the_order_of_a_request_s_life_and_sum_to_the_whole() -> None:
    assert [name for name, *_ in STACK.parts] == ["queue", "decode", "outside"]
    assert sum(shares[0] for *_, shares in STACK.parts) == pytest.approx(100.0)
    (table,) = tables("charts.phase_table", STACK)
    assert table.heads == ["mean, ms", "queue", "decode", "outside", "sum"]
    assert [cell.text for cell in table.rows[0].whole_cells] == ["a", "10", "60", "30", "100"]


def test_a_point_s_title_has_its_figures_and_how_sure_they_are() -> None:
    notes = ["4 at a time", ""]
    series = Series(
        "s", "parallel", "line", [1.0, 2.0], [10.0, 20.0], [9.0, None], [12.0, 19.0], notes, [0.5, None], [2.0, None]
    )
    assert series.titles == ["s: 1 (0.5 to 2), 10 (9 to 12); 4 at a time", "s: 2, 20"]
    assert Series("s", "parallel", "line", [1.0], ["a mode"]).titles == ["s: 1, a mode"]


def test_a_cdf_is_exact_at_the_bounds() -> None:
    histogram = Histogram(bounds_seconds=(0.001, 0.002, 0.004, 0.008), counts=(0, 0, 3, 1, 0), sum_seconds=0.02)
    series = _cdf("s", "parallel", "line", histogram)
    assert list(series.x) == [2.0, 4.0, 8.0]
    assert list(series.y) == [0.0, 0.75, 1.0]


def test_ticks_of_a_logarithmic_axis_can_be_read() -> None:
    assert log_ticks([3.0, 70.0]) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks([0.5, 50_000.0]) == pytest.approx([0.1, 1, 10, 100, 1000, 10_000, 100_000])
    assert log_ticks([]) == []


def test_the_note_of_first_outputs_has_the_number_of_requests_that_were_measured() -> None:
    found = a_comparison()
    planned = found.settings.model_copy(update={"num_rounds": 999})
    chart = first_output_chart(found.model_copy(update={"settings": planned}))
    assert chart.note.startswith("Medians of 40 requests of each mode")
