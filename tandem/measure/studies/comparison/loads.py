"""The scenarios of a comparison: ways in turn, one request at a time, and stays of many callers in one way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.measure.scenario import Scenario
from tandem.measure.studies.comparison.ways import DEADLINE_SECONDS, Way

# What a load draws from: the classes and seeds of each are its own.
ALONE, SEQUENTIAL, PARALLEL, UNCOUNTED, FOREIGN = range(5)
_DRAIN_SECONDS = DEADLINE_SECONDS + 5.0


def in_turn(ways: Sequence[Way], num_rounds: int, seed: int, source: int = ALONE) -> Scenario:
    """Return rounds of one request of each way, all for the same class."""
    return _scenario(ways, 1, seed, source, num_requests=num_rounds * len(ways), works_in_turn=True)


def once_each(way: Way, concurrency: int, seed: int) -> Scenario:
    """Return one request of each of so many callers at once, which nobody counts."""
    return _scenario([way], concurrency, seed, UNCOUNTED, num_requests=concurrency)


def steady(way: Way, concurrency: int, seconds: float, seed: int) -> Scenario:
    """Return a stay of so many callers."""
    source = FOREIGN if way.is_foreign else SEQUENTIAL if way.paradigm == "sequential" else PARALLEL
    return _scenario([way], concurrency, seed, source, duration_seconds=seconds)


def _scenario(ways: Sequence[Way], concurrency: int, seed: int, source: int, **values: Any) -> Scenario:
    usual = {
        "works": tuple(way.work for way in ways),
        "load": {"loop": "closed", "concurrency": concurrency},
        "warm_up_seconds": 0.0,
        "drain_seconds": _DRAIN_SECONDS,
        "num_places": ways[0].model.num_classes or None,
        "seed": int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0] >> 1),
        "keep_replies": source != UNCOUNTED,
    }
    return Scenario.model_validate({**usual, **values})
