"""From fits to what a document says of them: intervals by bootstrap, residuals, a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from bench.crossover.curve import MAX_RELATIVE_RESIDUAL, Curve, Measured
from bench.crossover.document import FitPoint, FittedCurve, FittedService, Interval
from bench.crossover.observations import Observations
from bench.crossover.service import Service

SLICES_A_POINT = 4
_ENDS = (0.025, 0.975)


def interval(value: float, draws: Sequence[float]) -> Interval:
    """Return the value with the 95 % percentile interval of the draws, widened to hold the value itself."""
    low, high = np.quantile(draws, _ENDS).tolist()
    return Interval(value=value, low=min(low, value), high=max(high, value))


def fitted_service(model: str, service: Service, draws: Sequence[Service], seen: Observations) -> FittedService:
    """Return the service with its intervals and residuals."""
    return FittedService(
        paradigm=service.paradigm,
        model=model,
        num_steps=float(np.mean(seen.length)) if service.paradigm == "sequential" else 1.0,
        unit=fitted_curve(service.unit, [each.unit for each in draws], "batch", seen.unit),
        rest=fitted_curve(service.rest, [each.rest for each in draws], "in flight", seen.rest),
        whole=fitted_curve(service.whole, [each.whole for each in draws], "in flight", seen.whole),
    )


def fitted_curve(
    curve: Curve, drawn: Sequence[Curve], name: Literal["batch", "in flight"], measured: Measured
) -> FittedCurve:
    """Return the curve with its intervals, from fits of resampled observations, and its residuals."""
    points = _points(curve, measured)
    worst = max(points, key=lambda point: abs(point.relative_residual))
    is_good = abs(worst.relative_residual) <= MAX_RELATIVE_RESIDUAL
    has_knee = curve.shape == "knee"
    after = interval(curve.slope_after_seconds, [each.slope_after_seconds for each in drawn]) if has_knee else None
    return FittedCurve(
        x=name,
        shape=curve.shape,
        base_seconds=interval(curve.base_seconds, [each.base_seconds for each in drawn]),
        slope_seconds=interval(curve.slope_seconds, [each.slope_seconds for each in drawn]),
        knee=curve.knee if has_knee else None,
        slope_after_seconds=after,
        points=points,
        relative_rms=float(np.sqrt(np.mean(measured.residuals(curve) ** 2))),
        worst_relative_residual=abs(worst.relative_residual),
        is_good=is_good,
        verdict=_verdict(worst, name, is_good),
    )


def _points(curve: Curve, measured: Measured) -> tuple[FitPoint, ...]:
    """Return means over some slices each, neighbours by x: so that a point is no single slice's noise."""
    x, seconds = measured.x, measured.seconds
    found = []
    for part in np.array_split(np.argsort(x, kind="stable"), max(2, len(x) // SLICES_A_POINT)):
        mean, fitted = float(np.mean(seconds[part])), float(np.mean([curve(each) for each in x[part]]))
        found.append(
            FitPoint(
                x=float(np.mean(x[part])),
                measured_seconds=mean,
                fitted_seconds=fitted,
                relative_residual=(fitted - mean) / float(np.mean(measured.scale[part])),
            )
        )
    return tuple(found)


def _verdict(worst: FitPoint, name: str, is_good: bool) -> str:
    share, side = abs(worst.relative_residual), "above" if worst.relative_residual > 0 else "below"
    if is_good:
        return f"good: nowhere more than {share:.0%} off"
    return (
        f"POOR: at {worst.x:.3g} ({name}) the fit is {share:.0%} {side} what was measured; whatever rests on this curve"
        " is no surer than that"
    )
