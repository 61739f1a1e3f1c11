"""Figures of rounds that are known: alone, together, and the ratio of the two."""

from dataclasses import replace

import pytest

from tandem.measure.results.colocation import Change, Pairing, Side
from tandem.measure.studies.colocation.results import pairings_of
from tests.unit.tandem.measure.studies.colocation.imagined import IMAGES, SECONDS, rounds


def changes(side: Side) -> dict[str, Change]:
    return {each.metric: each for each in side.changes}


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
    for metric in ("latency_p50_seconds", "latency_p99_seconds", "gap_p50_seconds", "gap_p99_seconds"):
        for side in (image.sequential, text.sequential):
            change = changes(side)[metric]
            assert (change.ratio.value, change.ratio.low, change.ratio.high) == pytest.approx((2.0, 2.0, 2.0))
            assert change.ratio.method in ("bca", "percentile")
            assert change.alone.low < change.alone.high
    rate = changes(text.sequential)["tokens_per_second"]
    assert rate.ratio.value == pytest.approx(0.5)
    assert rate.alone_of_rounds[0] == pytest.approx(100.0)  # a token each 10 ms
    assert list(rate.alone_of_rounds) == sorted(rate.alone_of_rounds, reverse=True)  # the drift shows
    for each in (image.parallel, text.parallel):
        assert changes(each)["latency_p50_seconds"].ratio.value == pytest.approx(1.5)


def test_a_side_has_the_figures_that_its_load_has(pairings):
    image, text = pairings
    latencies, gaps = {"latency_p50_seconds", "latency_p99_seconds"}, {"gap_p50_seconds", "gap_p99_seconds"}
    assert set(changes(image.sequential)) == latencies | gaps | {"tokens_per_second", "images_per_second"}
    assert set(changes(text.sequential)) == latencies | gaps | {"tokens_per_second"}
    assert set(changes(text.parallel)) == latencies | {"images_per_second"}
    delivered = changes(text.parallel)["images_per_second"]
    assert delivered.alone.value == delivered.together.value == 100 / SECONDS


def test_of_few_rounds_the_range_is_told_and_of_too_few_requests_no_p99():
    (pairing, _) = pairings_of(rounds(3))
    alone = changes(pairing.parallel)["latency_p50_seconds"].alone
    assert (alone.method, alone.low, alone.high) == ("range", pytest.approx(0.004), pytest.approx(0.00408))
    short = [{trial: [_short(each) for each in one] for trial, one in found.items()} for found in rounds(2)]
    assert "latency_p99_seconds" not in changes(next(pairings_of(short)).parallel)


def _short(found):
    return replace(found, latencies=found.latencies[:20])


def test_what_failed_and_what_grew_is_counted_of_the_trials_together():
    (image, _) = pairings_of(rounds(4, num_failed=3, grows=True))
    assert (image.parallel.num_requests, image.parallel.num_failed, image.parallel.num_growing) == (400, 12, 4)
    assert (image.sequential.num_failed, image.sequential.num_growing) == (0, 0)


def test_without_a_round_there_is_no_pairing():
    assert list(pairings_of([])) == []
    assert IMAGES.rate_per_second == 500.0
