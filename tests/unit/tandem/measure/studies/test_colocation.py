"""Which loads the served models get, what counts in the window of a trial, and the figures of rounds that are known."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.run import run_result
from tandem.measure.results.colocation import Pairing, Settings
from tandem.measure.results.record import Outcome
from tandem.measure.studies.colocation import TAIL_SECONDS, load_of, pairings_of, scenario_of, window_of, workloads_of
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.colocation.imagined import IMAGE, SECONDS, TEXT, rounds
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
    # A model from which nothing came has an open loop of the lowest rate.
    rates = [scenario_of(load_of(IMAGE.workload, most), Settings(), 7).load.rate_per_second for most in (100.0, 0.0)]
    assert rates == [30.0, 0.25]


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
    found = window_of(run_result(plan, [Share(record(rows, messages), "", None)], datetime.now(UTC)), 1.0)
    assert np.allclose(found.latencies, [0.1, 0.3])
    assert np.allclose(found.gaps, [0.02, 0.03])
    assert found.num_gap_tokens == 4
    assert (found.num_images, found.num_requests, found.num_failed) == (2, 3, 1)
    assert not found.grows


@pytest.fixture(scope="module")
def pairings() -> list[Pairing]:
    return list(pairings_of(rounds(8)))


def test_each_sequential_service_stands_beside_the_parallel_one(pairings):
    assert [(each.sequential.load.workload.model, each.parallel.load.workload.model) for each in pairings] == [
        ("ar", "gan"),
        ("lm", "gan"),
    ]
    assert [each.num_rounds for each in pairings] == [8, 8]


def test_a_ratio_is_that_of_the_rounds_and_not_of_the_drift_between_them(pairings):
    image, text = pairings
    for name in ("latency_p50_seconds", "latency_p99_seconds", "gap_p50_seconds", "gap_p99_seconds"):
        for side in (image.sequential, text.sequential):
            ratio = side.ratios[name]
            assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.0, 2.0, 2.0))
            assert ratio.method in ("bca", "percentile")
            assert side.alone[name].low < side.alone[name].high
    assert text.sequential.ratios["tokens_per_second"].value == pytest.approx(0.5)
    rates = text.sequential.alone["tokens_per_second"].of_rounds
    assert rates[0] == pytest.approx(100.0)  # a token each 10 ms
    assert list(rates) == sorted(rates, reverse=True)  # the drift shows
    for each in (image.parallel, text.parallel):
        assert each.ratios["latency_p50_seconds"].value == pytest.approx(1.5)


def test_a_side_has_the_figures_that_its_load_has(pairings):
    image, text = pairings
    latencies, gaps = {"latency_p50_seconds", "latency_p99_seconds"}, {"gap_p50_seconds", "gap_p99_seconds"}
    assert set(image.sequential.ratios) == latencies | gaps | {"tokens_per_second", "images_per_second"}
    assert set(text.sequential.ratios) == latencies | gaps | {"tokens_per_second"}
    assert set(text.parallel.ratios) == latencies | {"images_per_second"}
    delivered = (side["images_per_second"].value for side in (text.parallel.alone, text.parallel.together))
    assert list(delivered) == [100 / SECONDS] * 2


def test_of_few_rounds_the_range_is_told_and_of_too_few_requests_no_p99():
    (pairing, _) = pairings_of(rounds(3))
    alone = pairing.parallel.alone["latency_p50_seconds"]
    assert (alone.method, alone.low, alone.high) == ("range", pytest.approx(0.004), pytest.approx(0.00408))
    short = [{trial: [_short(each) for each in one] for trial, one in found.items()} for found in rounds(2)]
    assert "latency_p99_seconds" not in next(pairings_of(short)).parallel.ratios


def _short(found):
    return replace(found, latencies=found.latencies[:20])


def test_what_failed_and_what_grew_is_counted_of_the_trials_together():
    (image, _) = pairings_of(rounds(4, num_failed=3, grows=True))
    assert (image.parallel.num_requests, image.parallel.num_failed, image.parallel.num_growing) == (400, 12, 4)
    assert (image.sequential.num_failed, image.sequential.num_growing) == (0, 0)
