"""How a step's time grows with the sequences in it, and a token's with the tokens before it. Plain least squares.

A step with b sequences costs something that all of them share, and something of each one's own. Either one comes after
the other (sum: shared + own * b), or they overlap (max: whichever takes longer), as reading memory and arithmetic do in
the roofline model (Williams, Waterman and Patterson, 2009). Both have the knee at shared / own. Knows no server.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.growth import LineFit, Shape, StepFit
from tandem.measure.results.value import Value
from tandem.measure.statistics.curve import MAX_RELATIVE_RESIDUAL, Measured, fit_shape

MIN_POINTS = 3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step over the sequences in it."""

    shape: Shape
    shared_seconds: float
    own_seconds: float

    @property
    def knee(self) -> float | None:
        """Where shared and own costs are equal; None if a sequence costs nothing of its own."""
        return self.shared_seconds / self.own_seconds if self.own_seconds > 0.0 else None

    @property
    def most_tokens_per_second(self) -> float | None:
        """What the rate tends to as sequences are added."""
        return 1.0 / self.own_seconds if self.own_seconds > 0.0 else None

    def __call__(self, num_sequences: Floats | float) -> Floats:
        own = self.own_seconds * np.asarray(num_sequences, np.float64)
        return self.shared_seconds + own if self.shape == "sum" else np.maximum(self.shared_seconds, own)


def fit_step(num_sequences: Sequence[float], rounds: Sequence[Sequence[float]]) -> StepFit | None:
    """Return the better of both shapes, fitted to the medians; `rounds` are the seconds of a step, a row a round.

    The range of the knee is that of fits of this shape to each round. None below MIN_POINTS numbers of sequences.
    """
    if len(num_sequences) < MIN_POINTS:
        return None
    x = np.asarray(num_sequences, np.float64)
    medians = np.median(np.asarray(rounds, np.float64), axis=0)
    fitted = _fit(x, medians, ("sum", "max"))
    of_rounds = (_fit(x, np.asarray(row, np.float64), (fitted.shape,)).knee for row in rounds)
    knees = [knee for knee in of_rounds if knee is not None]
    ends = (min(knees, default=None), max(knees, default=None))
    worst = float(np.max(np.abs(fitted(x) / medians - 1.0)))
    return StepFit(
        shape=fitted.shape,
        shared_seconds=fitted.shared_seconds,
        own_seconds=fitted.own_seconds,
        knee=None
        if fitted.knee is None
        else Value(value=fitted.knee, low=ends[0], high=ends[1], method="range", count=len(knees)),
        most_tokens_per_second=fitted.most_tokens_per_second,
        worst_relative_residual=worst,
        is_good=worst <= MAX_RELATIVE_RESIDUAL,
    )


def step_time(fit: StepFit) -> StepTime:
    """Return the curve that a document describes."""
    return StepTime(fit.shape, fit.shared_seconds, fit.own_seconds)


def fit_line(tokens: Sequence[float], seconds: Sequence[float]) -> LineFit | None:
    """Return the least-squares line with no negative part; None below MIN_POINTS lengths, or if one took no time.

    The median gap between messages is 0 where most come within one tick of the clock.
    """
    if len(tokens) < MIN_POINTS or min(seconds) <= 0.0:
        return None
    x, y = np.asarray(tokens, np.float64), np.asarray(seconds, np.float64)
    line = fit_shape(Measured(x, y, y), np.inf)
    worst = max(abs(line(place) / value - 1.0) for place, value in zip(x.tolist(), y.tolist(), strict=True))
    return LineFit(
        base_seconds=line.base_seconds,
        per_token_seconds=line.slope_seconds,
        worst_relative_residual=worst,
        is_good=worst <= MAX_RELATIVE_RESIDUAL,
    )


def _fit(x: Floats, seconds: Floats, shapes: Sequence[Shape]) -> StepTime:
    """Return the best fit of these shapes: of a sum, or of a maximum with the first points on the level part and the
    rest on the slope.
    """
    line = fit_shape(Measured(x, seconds, seconds), np.inf)
    candidates = [StepTime("sum", line.base_seconds, line.slope_seconds)]
    candidates += [
        StepTime("max", _level(np.ones_like(x[:first]), seconds[:first]), _level(x[first:], seconds[first:]))
        for first in range(1, len(x))
    ]
    chosen = (step for step in candidates if step.shape in shapes)
    return min(chosen, key=lambda step: float(np.sum((step(x) / seconds - 1.0) ** 2)))


def _level(x: Floats, seconds: Floats) -> float:
    """Return the factor of x that is nearest to the seconds, relative to these."""
    shares = x / seconds
    return float(np.sum(shares) / np.sum(shares**2))
