"""Charts as data; which runs share a line, and how lines are named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.report.charts.chart import Row, Series, Stack
from tandem.measure.report.charts.load import _cdf, first_output_chart, load_charts
from tandem.measure.report.prose import tables
from tandem.measure.report.sources import Sources, matched_runs
from tandem.measure.results.value import Histogram, Value
from tandem.measure.scenario import Workload
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.report.conftest import a_comparison
from tests.unit.tandem.measure.scenarios import open_scenario

STACK = Stack("phases", "t", [Row("a", "sequential", {"decode": 0.06, "queue": 0.01, "outside": 0.03})])


def test_parts_stand_in_the_order_of_a_request_s_life_and_sum_to_the_whole() -> None:
    assert [name for name, *_ in STACK.parts] == ["queue", "decode", "outside"]
    assert sum(shares[0] for *_, shares in STACK.parts) == pytest.approx(100.0)
    (table,) = tables("charts.phase_table", STACK)
    assert table.heads == ["mean, ms", "queue", "decode", "outside", "sum"]
    assert [cell.text for cell in table.rows[0].whole_cells] == ["a", "10", "60", "30", "100"]


def test_a_point_s_title_has_its_figures_and_how_sure_they_are() -> None:
    x, y = (Value(value=value, low=low, high=high, count=9) for value, low, high in ((1, 0.5, 2), (10, 9, 12)))
    series = Series("s", "parallel", "line", [x, 2.0], [y, Value(value=20.0, count=1)], ["4 at a time", ""])
    assert series.titles == ["s: 1 (0.5 to 2), 10 (9 to 12); 4 at a time", "s: 2, 20"]
    assert Series("s", "parallel", "line", [1.0], ["a mode"]).titles == ["s: 1, a mode"]


def test_a_cdf_is_exact_at_the_bounds() -> None:
    histogram = Histogram(bounds_seconds=(0.001, 0.002, 0.004, 0.008), counts=(0, 0, 3, 1, 0), sum_seconds=0.02)
    series = _cdf("s", "parallel", "line", histogram)
    assert list(series.x) == [2.0, 4.0, 8.0]
    assert list(series.y) == [0.0, 0.75, 1.0]


def test_the_note_of_first_outputs_has_the_number_of_requests_that_were_measured() -> None:
    found = a_comparison()
    planned = found.settings.model_copy(update={"num_rounds": 999})
    chart = first_output_chart(found.model_copy(update={"settings": planned}))
    assert chart.note.startswith("Medians of 40 requests of each mode")


RATES = (5.0, 10.0, 20.0)
HERE, THERE = "127.0.0.1:1", "127.0.0.1:2"
SAR = Workload(kind="image", delivery="unary", model="sar", steps=8)
AR = Workload(kind="image", delivery="unary", model="ar")
GAN = Workload(kind="images", delivery="unary", model="gan", slo_seconds=1.0)


def lines(
    *runs: tuple[Workload, str, float], key: str = "open", hidden: str = "p99", many: str = ""
) -> Mapping[str, list[float]]:
    """Return the y of the lines by name, but for those of a quantile, of runs of (workload, address, seconds of each
    request). Runs have ten requests, those of the model `many` enough for a p99.
    """
    sources = Sources()
    for number, (workload, address, seconds) in enumerate(runs):
        for rate in RATES:
            rows = [row(place, place / rate, seconds) for place in range(200 if workload.model == many else 10)]
            plan = Plan(address=address, scenario=open_scenario(rate, workloads=(workload,)), models=())
            found = run_result(plan, [Share(record(rows), "", None)], datetime.now(UTC))
            sources.add(f"{number}-{rate}.json", found.document)
    (chart,) = (each for each in load_charts(matched_runs(sources.runs), None) if each.key == key)
    return {each.name: list(each.y) for each in chart.series if hidden not in each.name}  # type: ignore[arg-type]


def test_models_and_steps_have_lines_of_their_own_that_are_named_after_them() -> None:
    found = lines((AR, HERE, 0.08), (SAR, HERE, 0.02), (GAN, HERE, 0.01))
    assert {name: {round(ms) for ms in of_line} for name, of_line in found.items()} == {
        "sequential p50, image ar unary": {80},
        "sequential p50, image sar 8 steps unary": {20},
        "parallel p50": {10},
    }


def test_servers_have_lines_of_their_own_that_are_named_after_them() -> None:
    found = lines((GAN, HERE, 0.08), (GAN, THERE, 0.02))
    assert {name: {round(ms) for ms in of_line} for name, of_line in found.items()} == {
        f"parallel p50, at {HERE}": {80},
        f"parallel p50, at {THERE}": {20},
    }
    in_time = lines((GAN, HERE, 0.08), (GAN, THERE, 0.02), key="goodput")
    assert {f"parallel, at {HERE}", f"parallel, at {THERE}"} < set(in_time)


def test_runs_of_one_model_share_a_line_whose_name_says_no_more_than_the_paradigm() -> None:
    streamed = AR.model_copy(update={"delivery": "streamed"})
    assert set(lines((AR, HERE, 0.08), (AR, HERE, 0.02), (streamed, HERE, 0.02))) == {
        "sequential p50",
        "sequential streamed p50",
    }


def test_a_line_is_named_alike_at_p99_where_another_has_too_few_requests_for_one() -> None:
    assert set(lines((AR, HERE, 0.08), (SAR, HERE, 0.02), hidden="p50", many="sar")) == {
        "sequential p99, image sar 8 steps unary"
    }
