"""Which runs share a line, and how lines are named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.generator.workers import Share
from tandem.measure.report.charts.load import load_charts
from tandem.measure.report.sources import Sources, matched_runs
from tandem.measure.scenario import Workload
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.scenarios import open_scenario

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
