"""Charts as data, and what plotly is told of them."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from tandem.measure.report.charts.chart import DARK, HATCHED, LIGHT, PARTS, Chart, Row, Series, Stack, log_ticks
from tandem.measure.report.charts.interactive import figure_of
from tandem.measure.report.charts.times import _cdf, first_output_chart
from tandem.measure.report.tables.comparison import phase_table
from tandem.measure.results.distributions import PHASES, Histogram
from tests.unit.tandem.measure.report.conftest import a_comparison

STACK = Stack("phases", "t", "n", [Row("a", "sequential", {"decode": 0.06, "queue": 0.01, "outside": 0.03})])


def test_parts_stand_in_the_order_of_a_request_s_life_and_sum_to_the_whole() -> None:
    figure = figure_of(STACK)
    assert [trace["name"] for trace in figure["data"]] == ["queue", "decode", "outside"]
    assert sum(trace["x"][0] for trace in figure["data"]) == pytest.approx(100.0)
    table = phase_table(STACK)
    assert table.heads == ("mean, ms", "queue", "decode", "outside", "sum")
    assert table.rows[0].cells == ("a", "10", "60", "30", "100")


def test_every_part_and_paradigm_has_a_colour_on_either_ground() -> None:
    assert tuple(PARTS) == PHASES
    assert LIGHT.keys() == DARK.keys()


def test_any_two_parts_of_a_stack_can_be_told_apart() -> None:
    """By at least 25 of CIE 1976, ten times what is just noticed side by side; or one is hatched."""
    for one, other in itertools.combinations(PARTS, 2):
        assert (one in HATCHED) != (other in HATCHED) or np.linalg.norm(lab(PARTS[one]) - lab(PARTS[other])) >= 25
    figure = figure_of(STACK)
    assert [trace["marker"]["pattern"]["shape"] for trace in figure["data"]] == ["", "", "/"]


def lab(colour: str) -> NDArray[np.float64]:
    """Return a colour of sRGB, D65, in CIE L*a*b*."""
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    ratio = xyz / [0.9505, 1.0, 1.089]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_labels_of_neighbours_stand_above_and_below_and_the_last_one_to_the_left() -> None:
    series = Series(
        "s", "parallel", "points", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], notes=["a", "b", "c"], is_labelled=True
    )
    (trace,) = figure_of(Chart("k", "t", "n", "x", "y", [series]))["data"]
    assert trace["textposition"] == ["top right", "bottom right", "top left"]


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


def test_the_note_of_first_outputs_has_the_number_of_requests_that_were_measured() -> None:
    found = a_comparison()
    planned = found.settings.model_copy(update={"num_rounds": 999})
    chart = first_output_chart(found.model_copy(update={"settings": planned}))
    assert chart.note.startswith("Medians of 40 requests of each mode")
