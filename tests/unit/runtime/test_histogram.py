"""What is exported is what prometheus_client's own histogram exports; only counting is cheaper."""

import random
import time

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from runtime.histogram import Histogram
from tandem.shared.metrics import SECONDS_BUCKETS


def test_exported_as_the_library_s_own() -> None:
    chance = random.Random(1)
    own, library = CollectorRegistry(), CollectorRegistry()
    ours = Histogram("seconds", "Text.", ["a", "b"], SECONDS_BUCKETS, own)
    theirs = prometheus_client.Histogram("seconds", "Text.", ["a", "b"], buckets=SECONDS_BUCKETS, registry=library)
    for _ in range(1000):
        seconds = chance.choice([0.0, *SECONDS_BUCKETS, 1e3, chance.expovariate(1.0)])
        labels = chance.choice("xy"), 'a "word"\n'
        ours.of(*labels).observe(seconds)
        theirs.labels(*labels).observe(seconds)
    expected = [line for line in generate_latest(library).decode().splitlines() if "_created" not in line]
    assert generate_latest(own).decode().splitlines() == expected


def test_an_exemplar_is_the_last_traced_observation_of_its_bucket_and_shows_in_openmetrics_alone() -> None:
    own, library = CollectorRegistry(), CollectorRegistry()
    ours = Histogram("seconds", "Text.", ["a"], SECONDS_BUCKETS, own)
    theirs = prometheus_client.Histogram("seconds", "Text.", ["a"], buckets=SECONDS_BUCKETS, registry=library)
    for seconds, trace_id in ((0.01, "first"), (0.0101, "second"), (0.0102, ""), (0.5, ""), (1e3, "beyond")):
        ours.of("x").observe(seconds, trace_id)
        theirs.labels("x").observe(seconds, {"trace_id": trace_id} if trace_id else None)
    assert exemplars(own) == exemplars(library)
    assert set(exemplars(own).values()) == {("first", 0.01), ("second", 0.0101), ("beyond", 1e3)}
    assert "trace_id" not in generate_latest(own).decode()


def exemplars(registry: CollectorRegistry) -> dict[str, tuple[str, float]]:
    """Return the trace and the value of each exemplar in OpenMetrics, by the bucket's bound."""
    families = text_string_to_metric_families(openmetrics.generate_latest(registry).decode())
    told = [
        (sample.labels["le"], sample.exemplar) for family in families for sample in family.samples if sample.exemplar
    ]
    assert all(0 <= time.time() - float(exemplar.timestamp) < 600 for _, exemplar in told)
    return {bound: (exemplar.labels["trace_id"], exemplar.value) for bound, exemplar in told}


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Histogram("seconds", "Text.", [], SECONDS_BUCKETS, registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("seconds", "Text.", [], SECONDS_BUCKETS, registry)
