"""From fits to what a document says of them: intervals by bootstrap and residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tandem.measure.results.crossover import FitPoint, FittedCurve, FittedService
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.curve import MAX_RELATIVE_RESIDUAL, Curve, Measured
from tandem.measure.statistics.intervals import of_draws
from tandem.measure.studies.crossover.observations import Observations
from tandem.measure.studies.crossover.service import Service

SLICES_A_POINT = 4


def fitted_service(
    paradigm: Paradigm,
    model: str,
    most_per_second: float,
    service: Service,
    draws: Sequence[Service],
    seen: Observations,
) -> FittedService:
    """Return the service with its intervals and residuals."""
    return FittedService(
        paradigm=paradigm,
        model=model,
        num_steps=float(np.mean(seen.length)) if paradigm == "sequential" else 1.0,
        unit=fitted_curve(service.unit, [each.unit for each in draws], "batch", seen.unit),
        rest=fitted_curve(service.rest, [each.rest for each in draws], "in flight", seen.rest),
        whole=fitted_curve(service.whole, [each.whole for each in draws], "in flight", seen.whole),
        most_per_second=most_per_second,
    )


def fitted_curve(
    curve: Curve, drawn: Sequence[Curve], name: Literal["batch", "in flight"], measured: Measured
) -> FittedCurve:
    """Return the curve with its intervals, from fits of resampled observations, and its residuals."""
    points = _points(curve, measured)
    worst = max(abs(point.relative_residual) for point in points)
    has_knee = curve.shape == "knee"
    after = of_draws(curve.slope_after_seconds, [each.slope_after_seconds for each in drawn]) if has_knee else None
    return FittedCurve(
        x=name,
        shape=curve.shape,
        base_seconds=of_draws(curve.base_seconds, [each.base_seconds for each in drawn]),
        slope_seconds=of_draws(curve.slope_seconds, [each.slope_seconds for each in drawn]),
        knee=curve.knee if has_knee else None,
        slope_after_seconds=after,
        points=points,
        relative_rms=float(np.sqrt(np.mean(measured.residuals(curve) ** 2))),
        worst_relative_residual=worst,
        is_good=worst <= MAX_RELATIVE_RESIDUAL,
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
