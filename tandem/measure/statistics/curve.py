"""A service curve: seconds as a function of how many are served together; and its least-squares fit.

Affine, base + slope x, or affine with a knee where the slope changes. Knows nothing of requests or models.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.formats import number
from tandem.measure.results.crossover import FittedCurve, Shape
from tandem.shared.errors import ExpectedError

Floats = NDArray[np.float64]

# Of the scale: a fit that is further off somewhere is called poor.
MAX_RELATIVE_RESIDUAL = 0.15
_LEAST_RANGE = 1.2
_KNEE_MARGIN = 1.5
_KNEE_SPACING = 1.1


@dataclass(frozen=True)
class Curve:
    """base + slope * min(x, knee) + slope_after * max(0, x - knee); without a knee, that is infinite."""

    base_seconds: float
    slope_seconds: float
    knee: float = float("inf")
    slope_after_seconds: float = 0.0

    @property
    def shape(self) -> Shape:
        return "affine" if np.isinf(self.knee) else "knee"

    def __call__(self, x: float) -> float:
        beyond = max(0.0, x - self.knee)
        return self.base_seconds + self.slope_seconds * (x - beyond) + self.slope_after_seconds * beyond


def curve_of(fitted: FittedCurve) -> Curve:
    """Return the curve that a document describes."""
    base, slope = fitted.base_seconds.value, fitted.slope_seconds.value
    if fitted.knee is None or fitted.slope_after_seconds is None:
        return Curve(base, slope)
    return Curve(base, slope, fitted.knee, fitted.slope_after_seconds.value)


@dataclass(frozen=True)
class Measured:
    """What a curve is fitted to: seconds over x. A residual counts by its share of `scale`: of the seconds themselves,
    or of a whole that these seconds are a part of, so that a part that is near 0 is not fitted for its own sake.
    """

    x: Floats
    seconds: Floats
    scale: Floats

    def residuals(self, curve: Curve) -> Floats:
        """Return (fit - measured) / scale."""
        fitted = np.array([curve(x) for x in self.x])
        return np.asarray((fitted - self.seconds) / self.scale)


def fit_curve(measured: Measured, knees: Sequence[float] | None = None) -> Curve:
    """Return the affine fit, or one with a knee if its residuals are smaller by more than its two parameters are worth
    (corrected Akaike criterion). A knee is one of `knees`, or else of the `x`, well between the ends.

    Relative least squares, so that large batches, which take long, do not decide alone. No parameter is negative: more
    work never takes less time. Raises ValueError.
    """
    x = measured.x
    if np.min(measured.scale) <= 0.0:
        raise ExpectedError("seconds: some are 0; the backend does not tell how long it took")
    if np.max(x) <= np.min(x) * _LEAST_RANGE:
        raise ExpectedError(
            f"batch sizes: only from {number(float(np.min(x)))} to {number(float(np.max(x)))} measured; a curve needs"
            " more of a range: more callers, or longer runs"
        )
    candidates = [
        fit_shape(measured, np.inf),
        *(fit_shape(measured, knee) for knee in (_knees(x) if knees is None else knees)),
    ]
    return min(candidates, key=lambda curve: _criterion(curve, measured))


def fit_shape(measured: Measured, knee: float) -> Curve:
    """Return the fit with this knee; infinite for none."""
    from scipy.optimize import nnls  # which the load generator can do without

    x, weights = measured.x, 1.0 / measured.scale
    columns = [np.ones_like(x), np.minimum(x, knee)]
    if not np.isinf(knee):
        columns.append(np.maximum(0.0, x - knee))
    found, _ = nnls(np.stack(columns, axis=1) * weights[:, None], measured.seconds * weights)
    base, slope, *after = found.tolist()
    return Curve(base, slope, float(knee), after[0] if after else 0.0)


def _knees(x: Floats) -> Sequence[float]:
    """Return candidates, some way apart from each other and from the ends."""
    found: list[float] = []
    low, high = np.min(x) * _KNEE_MARGIN, np.max(x) / _KNEE_MARGIN
    for knee in sorted(x.tolist()):
        if low <= knee <= high and (not found or knee > found[-1] * _KNEE_SPACING):
            found.append(knee)
    return found


def _criterion(curve: Curve, measured: Measured) -> float:
    num_points = len(measured.x)
    num_parameters = 2 if curve.shape == "affine" else 4
    if num_points <= num_parameters + 2:
        return float("inf") if curve.shape == "knee" else 0.0
    squares = max(float(np.mean(measured.residuals(curve) ** 2)), 1e-18)
    correction = 2 * num_parameters * (num_parameters + 1) / (num_points - num_parameters - 1)
    return num_points * float(np.log(squares)) + 2 * num_parameters + correction
