"""How a step's time grows with the sequences in it, and a token's with the tokens before it. Plain least squares.

A step with b sequences costs something that all of them share, and something of each one's own. Either one comes after
the other (sum: shared + own * b), or they overlap (max: whichever takes longer), as reading memory and arithmetic do in
the roofline model (Williams, Waterman and Patterson, 2009). Both have the knee at shared / own. Knows no server.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.growth import Fit, Shape
from tandem.measure.results.value import Value
from tandem.measure.statistics.curve import MAX_RELATIVE_RESIDUAL, Measured, fit_shape

MIN_POINTS = 3
SHAPES: tuple[Shape, ...] = ("sum", "max")
Floats = NDArray[np.float64]


class Cost(NamedTuple):
    """Seconds over the sequences in a step, or over the tokens before a token."""

    shape: Shape
    shared_seconds: float
    own_seconds: float

    def __call__(self, number: Floats | float) -> Floats:
        own = self.own_seconds * np.asarray(number, np.float64)
        return self.shared_seconds + own if self.shape == "sum" else np.maximum(self.shared_seconds, own)


def fit_cost(
    numbers: Sequence[float], rounds: Sequence[Sequence[float]], shapes: Sequence[Shape] = SHAPES
) -> Fit | None:
    """Return the best of these shapes, fitted to the medians of `rounds`, a row a round; no part is negative.

    The range of the knee is that of fits of this shape to each round. None below MIN_POINTS numbers, or if one took no
    time: the median gap between messages is 0 where most come within one tick of the clock.
    """
    if len(numbers) < MIN_POINTS or np.min(np.median(rounds, axis=0)) <= 0.0:
        return None
    x, seconds = np.asarray(numbers, np.float64), np.asarray(rounds, np.float64)
    medians = np.median(seconds, axis=0)
    cost = _fit(x, medians, shapes)
    knees = [one.shared_seconds / one.own_seconds for row in seconds if (one := _fit(x, row, cost[:1])).own_seconds]
    worst = float(np.max(np.abs(cost(x) / medians - 1.0)))
    knee = None
    if cost.own_seconds:
        ends = min(knees, default=None), max(knees, default=None)
        at = cost.shared_seconds / cost.own_seconds
        knee = Value(value=at, low=ends[0], high=ends[1], method="range", count=len(knees))
    return Fit(**cost._asdict(), knee=knee, worst_relative_residual=worst, is_good=worst <= MAX_RELATIVE_RESIDUAL)


def _fit(x: Floats, seconds: Floats, shapes: Sequence[Shape]) -> Cost:
    """Return the best fit of these shapes: of a sum, or of a maximum with the first points on the level part and the
    rest on the slope.
    """
    line = fit_shape(Measured(x, seconds, seconds), np.inf)
    candidates = [Cost("sum", line.base_seconds, line.slope_seconds)]
    candidates += [
        Cost("max", _level(np.ones_like(x[:first]), seconds[:first]), _level(x[first:], seconds[first:]))
        for first in range(1, len(x))
    ]
    chosen = (cost for cost in candidates if cost.shape in shapes)
    return min(chosen, key=lambda cost: float(np.sum((cost(x) / seconds - 1.0) ** 2)))


def _level(x: Floats, seconds: Floats) -> float:
    """Return the factor of x that is nearest to the seconds, relative to these."""
    shares = x / seconds
    return float(np.sum(shares) / np.sum(shares**2))
