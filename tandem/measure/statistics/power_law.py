"""A quantity that falls as a power of a number: y = factor * x ** -exponent. Least squares in logarithms.

Every second x is held out of the fit, and checks it. Knows no model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.steps import LawCheck, StepsLaw
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, Rows, estimate

MIN_FITTED = 2
_CONFIDENCE = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """y = factor * x ** -exponent."""

    factor: float
    exponent: float

    def __call__(self, x: Floats | float) -> Floats:
        return np.asarray(self.factor * np.asarray(x, np.float64) ** -self.exponent)


def fit_power_law(x: Sequence[float], y: Floats) -> PowerLaw:
    """Return the least-squares line through the logarithms; of values that are not positive, one of NaN."""
    if np.any(y <= 0.0):
        return PowerLaw(np.nan, np.nan)
    slope, level = np.polyfit(np.log(np.asarray(x, np.float64)), np.log(y), 1)
    return PowerLaw(float(np.exp(level)), -float(slope))


def fit_law(steps: Sequence[int], excess_bits: Floats) -> StepsLaw | None:
    """Return the law of the means of `excess_bits` [N, len(steps)]: of each image, bits a token over the most steps.

    `steps` ascend. Those count whose mean is surely above 0, as a law in logarithms says nothing of the others: 24 of
    49 steps may cost no bits. None with fewer than MIN_FITTED of them to fit and one to check.
    """
    dear = [place for place in range(len(steps)) if _is_surely_positive(mean_value(excess_bits[:, place]))]
    steps, excess_bits = [steps[place] for place in dear], excess_bits[:, dear]
    fitted, held_out = list(range(0, len(steps), 2)), list(range(1, len(steps), 2))
    if len(fitted) < MIN_FITTED or not held_out:
        return None
    fitted_steps = [steps[place] for place in fitted]

    def law(rows: Rows) -> PowerLaw:
        return fit_power_law(fitted_steps, excess_bits[rows][:, fitted].mean(axis=0))

    found = law(np.arange(len(excess_bits)))

    def value(statistic: Callable[[Rows], float]) -> Value:
        return estimate(statistic, len(excess_bits), _CONFIDENCE, MIN_ROUNDS)

    checks = (
        LawCheck(
            steps=steps[place],
            predicted_bits=float(found(steps[place])),
            measured_bits=mean_value(excess_bits[:, place]),
        )
        for place in held_out
    )
    return StepsLaw(
        factor_bits=value(lambda rows: law(rows).factor),
        exponent=value(lambda rows: law(rows).exponent),
        fitted_steps=tuple(fitted_steps),
        checks=tuple(checks),
    )


def _is_surely_positive(mean: Value) -> bool:
    return (mean.value if mean.low is None else mean.low) > 0.0


def mean_value(values: Floats) -> Value:
    """Return the mean of values [N] with its 95 % interval by bootstrap."""
    return estimate(lambda rows: float(values[rows].mean()), len(values), _CONFIDENCE, MIN_ROUNDS)
