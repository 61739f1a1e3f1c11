"""The scenarios of a comparison: modes in turn, one request at a time, and trials of many callers in one mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tandem.measure.scenario import Scenario
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, Mode

# What a load draws from: the classes and seeds of each are its own.
ALONE, SEQUENTIAL, PARALLEL, UNCOUNTED, FOREIGN = range(5)
_DRAIN_SECONDS = DEADLINE_SECONDS + 5.0


def in_turn(modes: Sequence[Mode], num_rounds: int, seed: int, source: int = ALONE) -> Scenario:
    """Return rounds of one request of each mode, all for the same class."""
    return _scenario(modes, 1, seed, source, num_requests=num_rounds * len(modes), workloads_in_turn=True)


def once_each(mode: Mode, concurrency: int, seed: int) -> Scenario:
    """Return one request of each of so many callers at once, which nobody counts."""
    return _scenario([mode], concurrency, seed, UNCOUNTED, num_requests=concurrency)


def steady(mode: Mode, concurrency: int, seconds: float, seed: int) -> Scenario:
    """Return a trial of so many callers."""
    source = FOREIGN if mode.is_foreign else SEQUENTIAL if mode.paradigm == "sequential" else PARALLEL
    return _scenario([mode], concurrency, seed, source, duration_seconds=seconds)


def _scenario(modes: Sequence[Mode], concurrency: int, seed: int, source: int, **values: Any) -> Scenario:
    usual = {
        "workloads": tuple(mode.workload for mode in modes),
        "load": {"loop": "closed", "concurrency": concurrency},
        "warm_up_seconds": 0.0,
        "drain_seconds": _DRAIN_SECONDS,
        "num_places": modes[0].model.num_classes or None,
        "seed": int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0] >> 1),
        "keep_replies": source not in (UNCOUNTED, FOREIGN),
    }
    return Scenario.model_validate({**usual, **values})
