"""What a run's document says of the server, of records made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.results.load import Document
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import Scenario
from tests.unit.tandem.measure.records import Ended, record, row
from tests.unit.tandem.measure.scenarios import open_scenario

RATE = 100.0


def document(scenario: Scenario, rows: list[Ended]) -> Document:
    plan = Plan(address="127.0.0.1:1", scenario=scenario, models=())
    return run_result(plan, [Share(record(rows), "", None)], datetime.now(UTC)).document


def queued(scenario: Scenario, service_seconds: float) -> list[Ended]:
    """Return the rows of a single server with a fixed service time."""
    rows, free_at = [], 0.0
    for number, arrival in enumerate(intended_seconds(scenario, scenario.load).tolist()):
        free_at = max(free_at, arrival) + service_seconds
        rows.append(row(number, arrival, free_at - arrival))
    return rows


@pytest.mark.parametrize("end", [{"num_requests": 2000}, {"duration_seconds": 20.0}], ids=["by number", "by time"])
@pytest.mark.parametrize("share", [0.5, 2.0])
def test_a_queue_that_grows_is_seen_however_the_load_is_set(end: dict[str, Any], share: float) -> None:
    """At `share` of what the server can do."""
    scenario = open_scenario(RATE, **end)
    found = document(scenario, queued(scenario, share / RATE)).backlog
    assert found is not None
    assert found.grows is (share > 1.0)
    if found.grows:
        assert found.slope_per_second.value == pytest.approx(RATE * (1 - 1 / share), rel=0.1)


def test_calls_that_the_server_cancelled_are_a_problem_and_those_that_the_scenario_wants_are_not() -> None:
    cancelled = 1  # gRPC's number
    rows = [row(number, number / RATE, 0.01) for number in range(10)]
    rows += [row(number, number / RATE, 0.01, Outcome.CANCELLED) for number in range(10, 13)]
    assert document(open_scenario(RATE), rows).problems == ()
    rows += [row(number, number / RATE, 0.01, Outcome.ERROR, code=cancelled) for number in range(13, 15)]
    (problem,) = document(open_scenario(RATE), rows).problems
    assert "2 requests ended in CANCELLED" in problem
