"""What one run says of the clock, worked out by hand."""

import math

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from benchmarks.harness.run import Run
from benchmarks.hop.seen import Seen
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tandem.measure.meters.metrics_page import Page, parse

_SECONDS = [0.010, 0.020, 0.030]


def _run() -> Run:
    sent, seconds = np.zeros(3), np.array(_SECONDS)
    replies = [gan_pb2.SampleResponse(timings=Timings(total_seconds=0.6 * each)) for each in _SECONDS]
    return Run(
        sent, sent, seconds, seconds, np.ones(3), np.zeros(3), 0.0, False, tuple(e.SerializeToString() for e in replies)
    )


def _page(scale: float, num_requests: int) -> Page:
    registry = CollectorRegistry()
    bounds = [0.001 * 1.01**index for index in range(400)]
    labels = ("paradigm", "rpc", "code")
    duration = Histogram("gen_ai_server_request_duration_seconds", "", labels, buckets=bounds, registry=registry)
    phases = Histogram("tandem_phase_seconds", "", ("paradigm", "phase"), buckets=bounds, registry=registry)
    requests = Counter("tandem_requests", "", ("paradigm", "rpc"), registry=registry)
    requests.labels("parallel", "Sample").inc(num_requests)
    for seconds in _SECONDS:
        duration.labels("parallel", "Sample", "OK").observe(scale * seconds)
        phases.labels("parallel", "compute").observe(0.75 * scale * seconds)
        phases.labels("parallel", "residual").observe(0.25 * scale * seconds)
    return parse(generate_latest(registry).decode())


def test_a_clock_that_is_a_fifth_short_is_seen_as_that() -> None:
    found = Seen(_run(), _page(0.8, 3), "parallel").figures()
    assert found["p50_error"] == pytest.approx(-0.2, abs=0.01)
    assert found["client_over_proxy"] == pytest.approx(0.25, abs=0.02)


def test_the_parts_are_shares_of_the_whole() -> None:
    found = Seen(_run(), _page(1.0, 3), "parallel").figures()
    assert found["residual_share"] == pytest.approx(0.25, abs=0.01)
    assert (found["phase.compute"], found["phase.residual"]) == pytest.approx((0.75, 0.25))
    assert found["outside_backend_share"] == pytest.approx(0.4)


@pytest.mark.parametrize(("num_counted", "miscounted"), [(3, 0), (2, 1), (4, 1)])
def test_requests_counted_too_often_or_not_at_all_are_told(num_counted: int, miscounted: int) -> None:
    assert Seen(_run(), _page(1.0, num_counted), "parallel").figures()["miscounted"] == miscounted


def test_what_the_page_does_not_tell_is_not_a_number() -> None:
    found = Seen(_run(), _page(1.0, 3), "parallel").figures()
    assert math.isnan(found["first_output_p50_error"])
