"""What a trial used: the differences of two readings, over the time from its first request to its last reply."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import RunResult, run_result
from tandem.measure.generator.workers import Share
from tandem.measure.meters.cpu import CpuReading
from tandem.measure.studies.comparison.run import steady
from tandem.measure.studies.comparison.trials import trial_of
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.comparison.seen import MODES, trial

MODE = MODES["parallel unary"]


def stayed(before: CpuReading, after: CpuReading) -> RunResult:
    plan = Plan(address="127.0.0.1:1", scenario=steady(MODE, 2, 0.5, seed=1), models=())
    rows = [row(0, 0.25, 0.5), row(1, 0.5, 0.75)]
    made = run_result(plan, [Share(record(rows), "", None, cpu_seconds=0.125)], datetime.now(UTC))
    return replace(made, readings=(before, after))


def test_the_difference_of_the_readings_is_what_was_spent() -> None:
    before, after = CpuReading(1.0, 2.0), CpuReading(1.5, 4.0)
    trial = trial_of(MODE, 2, stayed(before, after))
    assert vars(trial.spent) == {
        "seconds": pytest.approx(1.0),
        "gateway_cpu_seconds": 0.5,
        "backend_cpu_seconds": 2.0,
        "client_cpu_seconds": 0.125,
    }
    assert len(trial.record.requests) == 2


def test_what_nobody_knows_stays_unknown() -> None:
    unknown = CpuReading(None, 2.0)
    spent = trial_of(MODE, 2, stayed(unknown, unknown)).spent
    assert (spent.gateway_cpu_seconds, spent.backend_cpu_seconds) == (None, 0.0)


def test_a_trial_that_measured_nothing_says_why() -> None:
    assert trial("sequential unary", 8, [0.1], failed=3).failure == ""
    assert (
        trial("sequential unary", 8, [], failed=3).failure
        == "sequential unary, 8 callers: none of 3 requests ended well"
    )
    assert (
        trial("sequential unary", 1, [], failed=1).failure == "sequential unary, 1 caller: none of 1 request ended well"
    )
    failure = trial("parallel unary", 64, []).failure
    assert failure.startswith("parallel unary, 64 callers: the trial was over before the first request was sent")
