"""What a trial used: the differences of two readings, over the time from its first request to its last reply; and which
texts of a third-party server count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.meters.cpu import CpuReading
from tandem.measure.results.record import Outcome
from tandem.measure.scenario import Workload
from tandem.measure.studies.comparison.compare import mode_result, problems_of
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.trials import Trial, steady, trial_of
from tests.unit.tandem.measure.records import Ended, record, row
from tests.unit.tandem.measure.studies.comparison.seen import MODES, NAN, findings, model, settings, trial

MODE = MODES["parallel unary"]
NUM_TOKENS = 49
TEXT = Mode(Workload(kind="text", delivery="unary", api="openai", model="other"), model("sequential", "other"))
NOBODY = CpuReading(None, None)


def ended(mode: Mode, rows: Sequence[Ended], before: CpuReading = NOBODY, after: CpuReading = NOBODY) -> Trial:
    plan = Plan(address="127.0.0.1:1", scenario=steady(mode, 2, 0.5, seed=1), models=())
    shares = [Share(record(rows), "", None, cpu_seconds=0.125)]
    return trial_of(mode, 2, run_result(plan, shares, datetime.now(UTC), (before, after)))


def text(number: int, num_tokens: int, **given: object) -> Ended:
    """Return a request to which so many tokens came; without one there is no first output."""
    first = 0.05 if num_tokens else NAN
    return row(number, 0.0, 0.1, length=NUM_TOKENS, num_outputs=num_tokens, first_output=first, **given)


def test_the_difference_of_the_readings_is_what_was_spent_and_what_nobody_knows_stays_unknown() -> None:
    rows = [row(0, 0.25, 0.5), row(1, 0.5, 0.75)]
    spent = ended(MODE, rows, CpuReading(None, 2.0), CpuReading(None, 4.0))
    assert spent.seconds == pytest.approx(1.0)
    assert (spent.gateway_cpu_seconds, spent.backend_cpu_seconds, spent.client_cpu_seconds) == (None, 2.0, 0.125)


def test_a_trial_that_measured_nothing_says_why() -> None:
    assert trial("sequential unary", 8, [0.1], failed=3).failure == ""
    none = trial("sequential unary", 8, [], failed=3).failure
    assert none == "sequential unary, 8 callers: none of 3 requests ended well"
    failure = trial("parallel unary", 64, []).failure
    assert failure.startswith("parallel unary, 64 callers: the trial was over before the first request was sent")


@pytest.mark.parametrize("num_tokens", [0, 5, NUM_TOKENS - 1])
def test_a_shorter_text_is_a_problem_that_says_how_many_tokens_came(num_tokens: int) -> None:
    study = findings(trials=[(0, ended(TEXT, [text(0, NUM_TOKENS), text(1, num_tokens)]))])
    study.settings = settings(concurrencies=(2,))
    result = mode_result(study, TEXT)
    assert [(point.num_images, point.num_errors) for point in result.curve] == [(1, 1)]
    (problem,) = problems_of([result])
    assert problem == f"foreign unary: 1 request ended in INTERNAL: {num_tokens} tokens came instead of 49 tokens"


def test_whole_texts_alone_count_and_images_of_ours_are_left_as_they_are() -> None:
    rows = [text(0, NUM_TOKENS), text(1, 5), text(2, 1, is_counted=False)]
    record = ended(TEXT, rows).record
    assert record.requests["outcome"].tolist() == [Outcome.OK, Outcome.ERROR, Outcome.ERROR]
    assert any("1 message came instead of 49 tokens" in words for _, _, words in record.error_texts)
    assert ended(TEXT, rows[1:]).failure == "foreign unary, 2 callers: none of 2 requests ended well"
    assert ended(MODES["sequential unary"], rows).record.requests["outcome"].tolist() == [Outcome.OK] * 3
