"""A sweep over callers by the definitions of MLPerf Endpoints, computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.results.curve import curve_of
from tandem.measure.results.load import Document
from tandem.measure.scenario import Scenario
from tests.unit.tandem.measure.records import USE, Recorder, row
from tests.unit.tandem.measure.scenarios import IMAGES, TEXT, closed_scenario, open_scenario


def document(scenario: Scenario, gap: float = 0.01, first: float = 0.05) -> Document:
    recorder = Recorder(1)
    for number in range(20):
        begin = 0.5 * number
        instants = [begin + first + gap * place for place in range(5)]
        made = row(number, begin, instants[-1] - begin, num_outputs=5, num_messages=5)._replace(
            first_output=instants[0]
        )
        recorder.ended(made, [(number, at, 1) for at in instants])
    plan = Plan(address="127.0.0.1:1", scenario=scenario, models=())
    return run_result(plan, [Share(recorder.record(USE), "", None)], datetime.now(UTC)).document


def test_points_are_by_the_definitions_and_in_order_of_callers() -> None:
    scenarios = [closed_scenario(number, workloads=(TEXT,)) for number in (8, 2)]
    curve = curve_of([document(scenarios[0], gap=0.02), document(scenarios[1])])
    assert curve is not None
    assert "Unofficial" in curve.note
    assert [point.concurrency for point in curve.points] == [2, 8]
    first, second = curve.points
    assert (first.tpot_p90_ms, first.tps_per_user) == (pytest.approx(10), pytest.approx(100))
    assert (second.tpot_p90_ms, second.tps_per_user) == (pytest.approx(20), pytest.approx(50))
    assert first.ttft_p90_ms == pytest.approx(50)
    assert first.system_tps == pytest.approx(20 * 5 / 10.0)


def test_only_closed_loops_of_streamed_texts_have_one() -> None:
    assert curve_of([]) is None
    assert curve_of([document(open_scenario(workloads=(TEXT,)))]) is None
    assert curve_of([document(closed_scenario(2, workloads=(IMAGES,)))]) is None
