"""A foreign text counts if it is as long as was asked for; a shorter one is a problem."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import RunResult, run_result
from tandem.measure.generator.workers import Share
from tandem.measure.meters.cpu import CpuReading
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import Scenario
from tandem.measure.studies.comparison.foreign import Foreign, whole_texts
from tandem.measure.studies.comparison.results import mode_result, problems_of
from tandem.measure.studies.comparison.run import steady
from tandem.measure.studies.comparison.trials import trial_of
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.comparison.seen import MODES, NAN, findings, settings

NUM_TOKENS = 49


class Source:
    address = "http://127.0.0.1:2"


BESIDE = Foreign(Source(), "other", NUM_TOKENS)  # type: ignore[arg-type]
_, UNARY = BESIDE.modes()
NOBODY = CpuReading(None, None)


def answered(scenario: Scenario, *nums_tokens: int) -> RunResult:
    """Return a run of requests to which so many tokens came; without one there is no first output."""
    rows = [
        row(
            number,
            0.0,
            0.1,
            workload=number % len(scenario.workloads),
            length=NUM_TOKENS,
            num_outputs=num_tokens,
            first_output=0.05 if num_tokens else NAN,
        )
        for number, num_tokens in enumerate(nums_tokens)
    ]
    plan = Plan(address="http://127.0.0.1:2", scenario=scenario, models=())
    share = Share(record(rows, num_workloads=len(scenario.workloads)), "", None)
    made = run_result(plan, [share], datetime.now(UTC))
    return RunResult(made.document, made.record, readings=(NOBODY, NOBODY))


@pytest.mark.parametrize("num_tokens", [0, 5, NUM_TOKENS - 1])
def test_a_shorter_text_is_a_problem_that_says_how_many_tokens_came(num_tokens: int) -> None:
    scenario = steady(UNARY, 1, 0.5, 1)
    seen = findings(trials=[(0, trial_of(UNARY, 1, answered(scenario, NUM_TOKENS, num_tokens)))])
    result = mode_result(UNARY, settings(concurrencies=(1,)), seen)
    assert result.alone is not None
    assert (result.alone.num_images, result.alone.num_errors) == (1, 1)
    (problem,) = problems_of(seen, [result])
    assert problem == f"foreign unary: 1 request ended in INTERNAL: {num_tokens} tokens came instead of 49 tokens"


def test_a_trial_counts_whole_texts_alone() -> None:
    scenario = steady(UNARY, 2, 0.5, 1)
    some = trial_of(UNARY, 2, answered(scenario, NUM_TOKENS, 5, NUM_TOKENS))
    assert some.record.requests["outcome"].tolist() == [Outcome.OK, Outcome.ERROR, Outcome.OK]
    assert some.failure == ""
    none = trial_of(UNARY, 2, answered(scenario, 5, 5))
    assert none.failure == "foreign unary, 2 callers: none of 2 requests ended well"


def test_tokens_that_nobody_counted_are_messages() -> None:
    rows = [row(0, 0.0, 0.1, length=NUM_TOKENS, num_outputs=1, is_counted=False)]
    (text,) = (text for _, _, text in whole_texts(record(rows), [UNARY]).error_texts)
    assert text == "1 message came instead of 49 tokens"


def test_images_of_ours_are_left_as_they_are() -> None:
    rows = [row(0, 0.0, 0.1, length=NUM_TOKENS, num_outputs=1)]
    found = whole_texts(record(rows), [MODES["sequential unary"]])
    assert found.requests["outcome"].tolist() == [Outcome.OK]
    assert not found.error_texts
