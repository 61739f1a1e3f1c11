"""The highest rate at which p99 stays within an objective, as a curve of closed loops tells it."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.measure.results.comparison import Capacity, Point


def from_curve(curve: Sequence[Point], slo_seconds: float) -> Capacity:
    """Return what the points of a closed loop, by concurrency, say."""
    good = [point for point in curve if _meets(point, slo_seconds)]
    best = max(good, key=lambda point: point.images_per_second.value, default=None)
    return Capacity(
        slo_seconds=slo_seconds,
        images_per_second=best.images_per_second.value if best else None,
        concurrency=best.concurrency if best else None,
        is_lower_bound=len(curve) > 0 and curve[-1] in good,
    )


def _meets(point: Point, slo_seconds: float) -> bool:
    """Whether p99 is within the objective; of too few requests for a p99, whether all are."""
    seconds = point.latency.distribution.seconds
    worst = seconds.p99 if seconds.p99 is not None else seconds.max
    return not point.num_errors and worst is not None and worst <= slo_seconds
