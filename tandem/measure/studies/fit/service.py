"""The fitted service of one paradigm: its curves, and what a document says of them. Knows no server and no file.

sequential: t(L, b) = t0 + L * t_step(b); parallel: t(b) = t0 + t_batch(b). Three fits: the unit (a step, or a pass)
over the batch, as the backend told both; t0 over the requests in flight, that is all the rest that the client waited:
queue, encoding, gateway, wire, client; and the whole over the requests in flight. A fit holds within what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from tandem.measure.results.crossover import BreakEven, FitPoint, FittedCurve
from tandem.measure.results.value import Value
from tandem.measure.statistics.curve import MAX_RELATIVE_RESIDUAL, Curve, Measured, fit_curve, fit_shape
from tandem.measure.statistics.intervals import of_draws
from tandem.measure.studies.fit.observations import Observations

NUM_DRAWS = 200
SLICES_A_POINT = 4
_X: tuple[Literal["batch", "in flight"], ...] = ("batch", "in flight", "in flight")


class Service(NamedTuple):
    unit: Curve
    rest: Curve
    whole: Curve


@dataclass(frozen=True)
class Fit:
    """A service, fitted to observations, and to NUM_DRAWS bootstrap draws of them."""

    rows: Observations
    service: Service
    draws: Sequence[Service]

    def curves(self) -> dict[str, FittedCurve]:
        """Return the curves with their intervals and residuals, by the names that Service gives them."""
        parts = zip(self.service, zip(*self.draws, strict=True), _X, self.rows.measured, strict=True)
        return {name: _fitted_curve(*part) for name, part in zip(Service._fields, parts, strict=True)}


def fit_service(rows: Observations) -> Fit:
    """Return the fit, shapes chosen by residuals; draws are fitted in the same shapes, with the same knees.

    Raises ValueError if too little was measured.
    """
    service, random = Service(*map(fit_curve, rows.measured)), np.random.default_rng(0)
    resampled = (rows.resampled(random).measured for _ in range(NUM_DRAWS))
    knees = [curve.knee for curve in service]
    return Fit(rows, service, [Service(*map(fit_shape, measured, knees)) for measured in resampled])


def break_even(sequential: Fit, parallel: Fit) -> tuple[BreakEven, ...]:
    """Return how many steps the sequential model could take in the time that the parallel one takes for all of it: for
    a lone request, and for the most in flight with which both were measured; beyond, the curves would be extrapolated.
    """
    both = (sequential, parallel)
    most = int(min(*(np.max(fit.rows.in_flight) for fit in both), np.max(sequential.rows.batch)))

    def steps(first: Service, second: Service, number: int) -> float:
        return (second.whole(number) - first.rest(number)) / first.unit(number)

    def value(number: int) -> Value:
        draws = [steps(*pair, number) for pair in zip(sequential.draws, parallel.draws, strict=True)]
        return of_draws(steps(sequential.service, parallel.service, number), draws)

    return tuple(BreakEven(num_in_flight=number, num_steps=value(number)) for number in dict.fromkeys((1, most)))


def _fitted_curve(
    curve: Curve, drawn: Sequence[Curve], x: Literal["batch", "in flight"], measured: Measured
) -> FittedCurve:
    points = _points(curve, measured)
    worst = max(abs(point.relative_residual) for point in points)
    has_knee = curve.shape == "knee"

    def value(parameter: str) -> Value:
        return of_draws(getattr(curve, parameter), [getattr(draw, parameter) for draw in drawn])

    return FittedCurve(
        x=x,
        shape=curve.shape,
        base_seconds=value("base_seconds"),
        slope_seconds=value("slope_seconds"),
        knee=curve.knee if has_knee else None,
        slope_after_seconds=value("slope_after_seconds") if has_knee else None,
        points=points,
        relative_rms=float(np.sqrt(np.mean(measured.residuals(curve) ** 2))),
        worst_relative_residual=worst,
        is_good=worst <= MAX_RELATIVE_RESIDUAL,
    )


def _points(curve: Curve, measured: Measured) -> tuple[FitPoint, ...]:
    """Return means over some slices each, neighbours by x: so that a point is no single slice's noise."""
    x = measured.x
    fitted = np.array([curve(one) for one in x])
    parts = np.array_split(np.argsort(x, kind="stable"), max(2, len(x) // SLICES_A_POINT))
    return tuple(
        FitPoint(
            x=float(np.mean(x[part])),
            measured_seconds=float(np.mean(measured.seconds[part])),
            fitted_seconds=float(np.mean(fitted[part])),
            relative_residual=float(np.mean((fitted - measured.seconds)[part]) / np.mean(measured.scale[part])),
        )
        for part in parts
    )
