"""Which loads the served models get, and what counts in the window of a trial."""

from datetime import UTC, datetime

import numpy as np
import pytest

from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.generator.workers import Share
from tandem.measure.results.colocation import Settings
from tandem.measure.results.record import Outcome
from tandem.measure.studies.colocation.loads import TAIL_SECONDS, load_of, scenario_of, seen_of, workloads_of
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.colocation.imagined import IMAGE, TEXT
from tests.unit.tandem.measure.studies.comparison.seen import PAIR, model

LANGUAGE = (model("sequential", "lm", modality="text"), model("sequential", "other", modality="text"))


def names(models, **given):
    return [(each.kind, each.model) for each in workloads_of(models, Settings(**given))]


def test_all_that_is_served_runs_beside_the_parallel_model():
    assert names([*PAIR.models, *LANGUAGE]) == [("image", "ar"), ("text", "lm"), ("images", "gan")]
    assert names([*PAIR.models, *LANGUAGE], text_model="other")[1] == ("text", "other")
    assert names(PAIR.models) == [("image", "ar"), ("images", "gan")]
    assert names([PAIR.parallel, *LANGUAGE]) == [("text", "lm"), ("images", "gan")]


def test_what_is_not_served_is_told():
    with pytest.raises(ExpectedError, match="no sequential model is served there"):
        names([PAIR.parallel])
    with pytest.raises(ExpectedError, match="no parallel image model is served there"):
        names([PAIR.sequential])
    with pytest.raises(ExpectedError, match="'nobody' is not served"):
        names([*PAIR.models, *LANGUAGE], text_model="nobody")


def test_a_load_is_an_open_loop_at_half_of_the_capacity_or_one_stream():
    image, text = (scenario_of(load, Settings(trial_seconds=1.5), 7) for load in (IMAGE, TEXT))
    assert (image.load.loop, image.load.rate_per_second) == ("open", 50.0)
    assert (text.load.loop, text.load.concurrency) == ("closed", 1)
    assert image.duration_seconds == text.duration_seconds == 1.5 + TAIL_SECONDS


def test_a_model_from_which_nothing_came_has_an_open_loop_of_the_lowest_rate():
    usual, slow = (scenario_of(load_of(IMAGE.workload, most), Settings(), 7).load for most in (100.0, 0.0))
    assert (usual.loop, usual.rate_per_second) == ("open", 30.0)
    assert (slow.loop, slow.rate_per_second) == ("open", 0.25)


def test_only_the_window_counts():
    rows = [
        row(0, -0.1, 0.2),  # due in the warm-up, delivered in the window
        row(1, 0.2, 0.1, num_outputs=3),
        row(2, 0.3, 0.1, Outcome.ERROR),
        row(3, 0.9, 0.3),  # due in the window, delivered behind it
        row(4, 1.1, 0.1),  # of the tail
    ]
    messages = [(0, -0.05, 1), (0, 0.1, 1), (1, 0.25, 1), (1, 0.27, 2), (1, 0.3, 2), (2, 0.35, 1), (2, 0.4, 1)]
    messages += [(3, 0.95, 1), (3, 1.2, 1)]
    scenario = scenario_of(IMAGE, Settings(), 0)
    plan = Plan(address="127.0.0.1:1", scenario=scenario, models=())
    found = seen_of(run_result(plan, [Share(record(rows, messages), "", None)], datetime.now(UTC)), 1.0)
    assert np.allclose(found.latencies, [0.1, 0.3])
    assert np.allclose(found.gaps, [0.02, 0.03])
    assert found.num_gap_tokens == 4
    assert (found.num_images, found.num_requests, found.num_failed) == (2, 3, 1)
    assert not found.grows
