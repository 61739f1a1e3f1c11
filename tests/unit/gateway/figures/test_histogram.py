"""What is exported is what prometheus_client's own histogram exports; only counting is cheaper."""

import random

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gateway.figures.histogram import Histogram
from runtime.metrics import SECONDS_BUCKETS


def test_exported_as_the_library_s_own() -> None:
    chance = random.Random(1)
    own, library = CollectorRegistry(), CollectorRegistry()
    ours = Histogram("seconds", "Text.", ["a", "b"], own)
    theirs = prometheus_client.Histogram("seconds", "Text.", ["a", "b"], buckets=SECONDS_BUCKETS, registry=library)
    for _ in range(1000):
        seconds = chance.choice([0.0, *SECONDS_BUCKETS, 1e3, chance.expovariate(1.0)])
        labels = chance.choice("xy"), 'a "word"\n'
        ours.of(*labels).observe(seconds)
        theirs.labels(*labels).observe(seconds)
    expected = [line for line in generate_latest(library).decode().splitlines() if "_created" not in line]
    assert generate_latest(own).decode().splitlines() == expected


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Histogram("seconds", "Text.", [], registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Histogram("seconds", "Text.", [], registry)
