"""From fits to what a document says of them: intervals by bootstrap, residuals, a verdict in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from bench.crossover.curve import MAX_RELATIVE_RESIDUAL, Curve, Floats, relative_residuals
from bench.crossover.document import FitPoint, FittedCurve, FittedService, Interval
from bench.crossover.observations import Observations
from bench.crossover.service import Service

SLICES_A_POINT = 4
_ENDS = (0.025, 0.975)
_CurveOf = Callable[[Service], Curve]


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
        unit=_fitted(lambda each: each.unit, "batch", service, draws, seen.batch, seen.unit_seconds),
        rest=_fitted(lambda each: each.rest, "in flight", service, draws, seen.in_flight, seen.rest_seconds),
        whole=_fitted(lambda each: each.whole, "in flight", service, draws, seen.in_flight, seen.whole_seconds),
    )


def _fitted(
    curve_of: _CurveOf,
    name: Literal["batch", "in flight"],
    service: Service,
    draws: Sequence[Service],
    x: Floats,
    seconds: Floats,
) -> FittedCurve:
    curve, drawn = curve_of(service), [curve_of(each) for each in draws]
    points = _points(curve, x, seconds)
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
        relative_rms=float(np.sqrt(np.mean(relative_residuals(curve, x, seconds) ** 2))),
        worst_relative_residual=abs(worst.relative_residual),
        is_good=is_good,
        verdict=_verdict(worst, name, is_good),
    )


def _points(curve: Curve, x: Floats, seconds: Floats) -> tuple[FitPoint, ...]:
    """Return means over some slices each, neighbours by x: so that a point is no single slice's noise."""
    found = []
    for part in np.array_split(np.argsort(x, kind="stable"), max(2, len(x) // SLICES_A_POINT)):
        measured, fitted = float(np.mean(seconds[part])), float(np.mean([curve(each) for each in x[part]]))
        found.append(
            FitPoint(
                x=float(np.mean(x[part])),
                measured_seconds=measured,
                fitted_seconds=fitted,
                relative_residual=fitted / measured - 1,
            )
        )
    return tuple(found)


def _verdict(worst: FitPoint, name: str, is_good: bool) -> str:
    share, side = abs(worst.relative_residual), "above" if worst.relative_residual > 0 else "below"
    if is_good:
        return f"good: within {share:.0%} of every measured mean"
    return (
        f"POOR: at {worst.x:.3g} ({name}) the fit is {share:.0%} {side} what was measured; whatever rests on this curve"
        " is no surer than that"
    )
