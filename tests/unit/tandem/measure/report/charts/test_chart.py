"""Charts as data, and what plotly is told of them."""

import pytest

from tandem.measure.report.charts.chart import Chart, Row, Series, Stack, log_ticks
from tandem.measure.report.charts.colours import DARK, LIGHT, PARTS
from tandem.measure.report.charts.interactive import figure_of
from tandem.measure.report.charts.times import _cdf
from tandem.measure.report.tables.phases import phase_table
from tandem.measure.results.distributions import Histogram
from tandem.measure.results.phases import PHASES

STACK = Stack("phases", "t", "n", [Row("a", "sequential", {"decode": 0.06, "queue": 0.01, "residual": 0.03})])


def test_parts_stand_in_the_order_of_a_request_s_life_and_sum_to_the_whole() -> None:
    figure = figure_of(STACK)
    assert [trace["name"] for trace in figure["data"]] == ["queue", "decode", "residual"]
    assert sum(trace["x"][0] for trace in figure["data"]) == pytest.approx(100.0)
    table = phase_table(STACK)
    assert table.heads == ("mean, ms", "queue", "decode", "residual", "sum")
    assert table.rows[0].cells == ("a", "10", "60", "30", "100")


def test_every_part_and_paradigm_has_a_colour_on_either_ground() -> None:
    assert tuple(PARTS) == PHASES
    assert LIGHT.keys() == DARK.keys()
    assert len(set(PARTS.values())) == len(PARTS)


def test_a_cdf_is_exact_at_the_bounds() -> None:
    histogram = Histogram(bounds_seconds=(0.001, 0.002, 0.004, 0.008), counts=(0, 0, 3, 1, 0), sum_seconds=0.02)
    series = _cdf("s", "parallel", "line", histogram)
    assert list(series.x) == [2.0, 4.0, 8.0]
    assert list(series.y) == [0.0, 0.75, 1.0]


def test_what_lies_above_all_bounds_leaves_the_curve_below_one() -> None:
    histogram = Histogram(bounds_seconds=(0.001, 0.002), counts=(0, 3, 1), sum_seconds=0.02)
    assert list(_cdf("s", "parallel", "line", histogram).y) == [0.0, 0.75]


def test_intervals_are_distances_and_never_negative() -> None:
    series = Series("s", "parallel", "line", [1.0, 2.0], [10.0, 20.0], [9.0, None], [12.0, 19.0])
    (trace,) = figure_of(Chart("k", "t", "n", "x", "y", [series]))["data"]
    assert trace["error_y"]["array"] == [2.0, 0.0]
    assert trace["error_y"]["arrayminus"] == [1.0, 0.0]


def test_ticks_of_a_logarithmic_axis_can_be_read() -> None:
    assert log_ticks([3.0, 70.0]) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks([0.5, 50_000.0]) == pytest.approx([0.1, 1, 10, 100, 1000, 10_000, 100_000])
    assert log_ticks([]) == []


def test_a_chart_without_points_is_empty() -> None:
    assert Chart("k", "t", "n", "x", "y", [Series("s", "parallel", "line", (), ())]).is_empty


def test_intervals_in_both_directions_and_labels_beside_the_points() -> None:
    given = {"left": [0.5, None], "right": [1.25, None], "notes": ["a<b", "c"], "is_labelled": True}
    series = Series("s", "parallel", "points", [1.0, 2.0], [10.0, 20.0], [9.0, 19.0], [12.0, 21.0], **given)
    (trace,) = figure_of(Chart("k", "t", "n", "x", "y", [series]))["data"]
    assert trace["error_x"]["array"] == [0.25, 0.0]
    assert trace["error_x"]["arrayminus"] == [0.5, 0.0]
    assert trace["error_y"]["array"] == [2.0, 1.0]
    assert trace["mode"] == "markers+text"
    assert trace["text"] == ["a&lt;b", "c"]
