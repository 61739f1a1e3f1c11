"""The Pareto front of what was measured over steps: those that nothing else beats in time and in quality at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tandem.measure.formats import counted
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value

Quality = Callable[[StepsPoint], float | None]


def name_of(point: StepsPoint) -> str:
    """Return the model, and its steps if it takes some."""
    return point.mode.model if point.steps is None else f"{point.mode.model} in {counted(point.steps, 'step')}"


def wait_of(point: StepsPoint) -> Value | None:
    """Return the median seconds of one image asked for alone."""
    return None if point.mode.alone is None else point.mode.alone.latency.p50


def fid_of(point: StepsPoint) -> float | None:
    return None if point.quality is None else point.quality.model.fid


def recall_loss_of(point: StepsPoint) -> float | None:
    """Return the share of real images that are unlike all of the model's: smaller is better, as of an FID."""
    return None if point.quality is None else 1.0 - point.quality.model.recall


def front(points: Iterable[StepsPoint], quality: Quality) -> list[StepsPoint]:
    """Return those than which none is both faster and better, or as fast and better; the fastest first. The smaller a
    quality, the better; points without a time or a quality are left out.
    """
    known = [
        (wait.value, found, point)
        for point in points
        if (wait := wait_of(point)) is not None and (found := quality(point)) is not None
    ]
    best, chosen = float("inf"), []
    for _, found, point in sorted(known, key=lambda each: each[:2]):
        if found < best:
            best = found
            chosen.append(point)
    return chosen
