"""Runs of a study: numbered through, repeated when their audit fails, and told of when that does not help."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tandem.measure.generator.audited_runs import MOST_ATTEMPTS, AuditedRuns
from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import RunResult, run_result
from tandem.measure.report.prose import sentence
from tandem.measure.results.record import Outcome, Use
from tandem.measure.scenario import Scenario
from tests.unit.tandem.measure.records import USE, record, row
from tests.unit.tandem.measure.scenarios import closed_scenario

BUSY = Use(cpu_seconds=1.0, wall_seconds=1.0, num_requests=3)
SCENARIO = closed_scenario(num_requests=3, seed=5)


class Scripted:
    """A generator whose runs are good or cut off, as given; each sends three requests."""

    def __init__(self, are_good: Sequence[bool], reason: str = "") -> None:
        self._are_good = iter(are_good)
        self._reason = reason
        self.scenarios: list[Scenario] = []

    async def run(self, scenario: Scenario, **_: Any) -> RunResult:
        self.scenarios.append(scenario)
        # What is cut off at the end of the drain is a fault of the generator to its audit.
        outcome = Outcome.OK if next(self._are_good) else Outcome.UNFINISHED
        rows = [row(scenario.first_number + place, 0.0, 0.1, outcome) for place in range(3)]
        plan = Plan(address="127.0.0.1:1", scenario=scenario, models=())
        use = BUSY if self._reason else USE
        share = Share(record(rows, use=use), self._reason, 1.0 if self._reason else None)
        return run_result(plan, [share], datetime.now(UTC))


async def run(audited_runs: AuditedRuns, *are_good: bool) -> Scripted:
    source = Scripted(are_good)
    await audited_runs.run(source, "a run", SCENARIO)  # type: ignore[arg-type]
    return source


async def test_a_run_whose_audit_fails_is_repeated_with_other_requests():
    audited_runs = AuditedRuns()
    source = await run(audited_runs, False, True)
    assert [scenario.first_number for scenario in source.scenarios] == [0, 3]
    found = audited_runs.summary()
    assert (found.num_runs, found.num_repeated, found.invalid) == (1, 1, ())
    assert sentence("audits.problem", found) == ""


async def test_a_run_that_stays_invalid_is_told_of_with_its_reason():
    audited_runs = AuditedRuns()
    await run(audited_runs, *[False] * MOST_ATTEMPTS)
    found = audited_runs.summary()
    assert (found.num_runs, found.num_repeated) == (1, MOST_ATTEMPTS - 1)
    assert found.invalid == ("a run: 3 requests were cut off at the end of the drain",)
    assert sentence("audits.problem", found).startswith(
        "INVALID: the load generator was not good enough in 1 of 1 runs"
    )


async def test_a_run_that_was_broken_off_is_neither_repeated_nor_told_of():
    audited_runs = AuditedRuns()
    source = Scripted([False], reason="broken off by hand")
    await audited_runs.run(source, "a run", SCENARIO)  # type: ignore[arg-type]
    found = audited_runs.summary()
    assert (len(source.scenarios), found.num_runs, found.num_repeated, found.invalid) == (1, 0, 0, ())


async def test_a_warm_up_counts_on_but_is_not_audited():
    audited_runs = AuditedRuns()
    source = Scripted([False, True])
    await audited_runs.once(source, SCENARIO)  # type: ignore[arg-type]
    await audited_runs.run(source, "a run", SCENARIO)  # type: ignore[arg-type]
    assert [scenario.first_number for scenario in source.scenarios] == [0, 3]
    assert audited_runs.summary().num_runs == 1


async def test_of_runs_at_the_same_time_none_is_repeated_without_the_others():
    audited_runs = AuditedRuns()
    first, second = Scripted([True, True]), Scripted([False, True])
    loads = [(first, SCENARIO), (second, SCENARIO.model_copy(update={"seed": 6}))]
    found = await audited_runs.run_together("both", loads)  # type: ignore[arg-type]
    assert [each.document.audit.valid for each in found] == [True, True]
    assert [len(each.scenarios) for each in (first, second)] == [2, 2]
    assert (audited_runs.summary().num_runs, audited_runs.summary().num_repeated) == (2, 2)
