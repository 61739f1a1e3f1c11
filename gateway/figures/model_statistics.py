"""Cumulative figures of each model since the start, of all that came in by any protocol: what load testers subtract.

They come from the same clock as the histograms. The shares of a pass add up: a request of n units that rode in passes
of b units on average has n / b of a pass, and as much of its time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.figures.observation import UNKNOWN_MODEL, Observation
from runtime.rpc.routes import PARALLEL

MAX_SIZES = 1_000
"""Batch sizes that are counted separately: backends report them, and a faulty one must not fill the memory."""


@dataclass
class Duration:
    """How often, and for how many seconds in all."""

    count: float = 0.0
    seconds: float = 0.0

    def add(self, seconds: float, count: float = 1.0) -> None:
        self.count += count
        self.seconds += seconds


@dataclass
class ModelFigures:
    """Of the requests for output that ended: `queue` and what follows count those that finished."""

    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    cancel: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute: Duration = field(default_factory=Duration)
    encode: Duration = field(default_factory=Duration)
    first_response: Duration = field(default_factory=Duration)
    """Of streams: from arrival to the first output."""
    num_inferences: int = 0
    """Images; texts count as one each."""
    passes: float = 0.0
    """Executions of the model: batches of images, or steps of a sequence."""
    passes_by_size: dict[int, Duration] = field(default_factory=lambda: defaultdict(Duration))
    """By the units of a pass, rounded."""
    last_at: float = 0.0
    """Seconds since 1970."""


class ModelStatistics:
    """One record for each request; `clock` returns seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._models: dict[str, ModelFigures] = defaultdict(ModelFigures)

    def of(self, model: str) -> ModelFigures:
        """Return the figures of a model, all zero before its first request."""
        return self._models.get(model) or ModelFigures()

    def record(self, seen: Observation) -> None:
        """Count a request that has ended, if it was to generate and its model is known."""
        if seen.route.unit is None or seen.model == UNKNOWN_MODEL:
            return
        figures = self._models[seen.model]
        figures.last_at = self._clock()
        if seen.code == "OK":
            _add_finished(figures, seen)
        else:
            (figures.cancel if seen.code == "CANCELLED" else figures.fail).add(seen.total_seconds)


def _add_finished(figures: ModelFigures, seen: Observation) -> None:
    figures.success.add(seen.total_seconds)
    figures.queue.add(_seconds(seen, "queue", "batch_wait"))
    compute = _seconds(seen, "prefill", "decode", "compute")
    figures.compute.add(compute)
    figures.encode.add(_seconds(seen, "encode"))
    if seen.route.streaming:
        figures.first_response.add(seen.first_output_seconds)
    figures.num_inferences += seen.num_outputs if seen.route.paradigm == PARALLEL else seen.num_images or 1
    if seen.mean_batch_size >= 1.0:
        _add_passes(figures, seen, compute)


def _add_passes(figures: ModelFigures, seen: Observation, compute: float) -> None:
    share = seen.num_outputs / seen.mean_batch_size
    figures.passes += share
    size = round(seen.mean_batch_size)
    if size in figures.passes_by_size or len(figures.passes_by_size) < MAX_SIZES:
        # The time of a pass is the time of everyone in it; of several passes one after another each has its own.
        alone = seen.num_outputs if seen.route.paradigm == PARALLEL else 1
        figures.passes_by_size[size].add(compute * min(1.0, alone / seen.mean_batch_size), share)


def _seconds(seen: Observation, *phases: str) -> float:
    return sum(seen.phases.get(phase, 0.0) for phase in phases)
