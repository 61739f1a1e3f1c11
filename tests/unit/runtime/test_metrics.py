import itertools

import pytest
from prometheus_client import CollectorRegistry

from runtime.metrics import SECONDS_BUCKETS, BackendMetrics, Timings

OPENTELEMETRY_GENAI = [0.01 * 2**n for n in range(14)]


def test_buckets_hold_opentelemetry_s_and_reach_far_enough():
    assert all(any(bucket == pytest.approx(bound) for bucket in SECONDS_BUCKETS) for bound in OPENTELEMETRY_GENAI)
    assert SECONDS_BUCKETS[0] == pytest.approx(0.00015625)
    assert SECONDS_BUCKETS[-1] == pytest.approx(81.92)
    ratios = [b / a for a, b in itertools.pairwise(SECONDS_BUCKETS)]
    assert ratios == pytest.approx([2**0.5] * len(ratios), rel=1e-4)


def test_timings_feed_the_phases_they_have():
    registry = CollectorRegistry()
    metrics = BackendMetrics(registry, "parallel")
    metrics.observe_timings("m", Timings(queue_seconds=0.5, compute_seconds=0.25, total_seconds=1.0))

    def total(phase: str) -> float | None:
        labels = {"paradigm": "parallel", "model": "m", "phase": phase}
        return registry.get_sample_value("tandem_backend_phase_seconds_sum", labels)

    assert (total("queue"), total("compute"), total("decode")) == (0.5, 0.25, None)


def test_each_call_is_counted_once_with_its_code():
    registry = CollectorRegistry()
    metrics = BackendMetrics(registry, "sequential")
    for code in ("OK", "OK", "CANCELLED"):
        metrics.finished("Generate", code, 0.1)
    labels = {"paradigm": "sequential", "rpc": "Generate", "code": "OK"}
    assert registry.get_sample_value("tandem_backend_requests_total", labels) == 2.0
