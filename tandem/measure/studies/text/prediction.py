"""How many tokens a second come out, by the number of callers: from what a text needs in a mode, and from what a step
costs by its rows, whatever mode these are of. And up to how many callers a mode pays. Knows no server.

More tokens a step save steps while a step costs about the same however many rows it has, and lose as soon as each row
of it costs its own.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.crossover import FittedCurve
from tandem.measure.results.record import Table
from tandem.measure.results.text import Limit
from tandem.measure.statistics.curve import Curve, Measured, fit_curve, fit_shape
from tandem.measure.studies.fit.service import NUM_DRAWS, fitted_curve

_NUM_ITERATIONS = 50
_NUM_PLACES = 50
_SEQUENCE_ROWS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
# What a sequence costs is told from few loads: it must explain more than this share of a step, or it is left out.
_TOLERATED, _PENALTY = 0.03, 4.0  # the latter of a further parameter, by the Akaike criterion of few points


class Need(NamedTuple):
    """What a text needs on average, at this number of callers: `steps` of its sequence, of `rows` rows each, prompt
    included, and `rest_seconds` outside of them. `batch`: sequences in these steps; `step_seconds`: how long one took.
    """

    callers: float
    steps: float
    rows: float
    rest_seconds: float
    batch: float
    step_seconds: float


def need_of(callers: int, requests: Table, sequence_steps: float, rows: float) -> Need:
    """Return the need of texts that ended well, for which the server counted so many steps and rows in all."""
    computing = float(np.mean(requests["prefill"] + requests["decode"]))
    rest = float(np.mean(requests["ended"] - requests["intended"])) - computing
    steps, batch = sequence_steps / len(requests), float(np.mean(requests["batch_size"]))
    return Need(callers, steps, rows / sequence_steps, max(0.0, rest), batch, computing / steps)


class StepCost(NamedTuple):
    """Seconds of a step over its rows, to which each sequence adds `sequence_rows`: its sampling and its message."""

    curve: Curve
    sequence_rows: float

    def __call__(self, batch: float, rows: float) -> float:
        """Return the seconds of a step of so many sequences, with so many rows each."""
        return self.curve(batch * (rows + self.sequence_rows))


def fit_steps(needs: Sequence[Sequence[Need]]) -> tuple[StepCost, FittedCurve]:
    """Return what a step costs, and what a document says of it, by the medians of the rounds of each load: a round in
    which the machine was busy with other work does not count. Raises ExpectedError.
    """
    num_rounds, random = min(map(len, needs)), np.random.default_rng(0)
    table = np.array([each[:num_rounds] for each in needs])

    def measured(rounds: NDArray[np.int64], sequence_rows: float) -> Measured:
        _, _, rows, _, batch, seconds = np.median(table[:, rounds], axis=1).T
        return Measured(batch * (rows + sequence_rows), seconds, seconds)

    def fit(sequence_rows: float) -> tuple[float, StepCost]:
        found = measured(np.arange(num_rounds), sequence_rows)
        # There are few numbers of rows, so a knee may lie between two of them.
        curve = fit_curve(found, places(float(np.min(found.x)), float(np.max(found.x)))[1:-1])
        misfit = math.log(max(_TOLERATED**2, float(np.mean(found.residuals(curve) ** 2))))
        return len(needs) * misfit + (_PENALTY if sequence_rows else 0.0), StepCost(curve, sequence_rows)

    cost = min(map(fit, _SEQUENCE_ROWS), key=lambda each: each[0])[1]
    drawn = (measured(random.integers(0, num_rounds, num_rounds), cost.sequence_rows) for _ in range(NUM_DRAWS))
    draws = [fit_shape(each, cost.curve.knee) for each in drawn]
    return cost, fitted_curve(cost.curve, draws, "rows", measured(np.arange(num_rounds), cost.sequence_rows))


@dataclass(frozen=True)
class Prediction:
    """Of one mode. `needs`: steps and rows at each number of callers, as counted; how long
    callers wait for the rest is taken from those in `fitted_at` alone. Between all these numbers it is interpolated.
    """

    step: StepCost
    needs: Sequence[Need]
    fitted_at: Collection[int]
    num_tokens: int
    num_engines: int

    def __call__(self, callers: float) -> float:
        """Return the tokens/s of so many callers, each of whom asks for `num_tokens` again and again.

        A caller meets another one in a step as often as that one is not waiting for the rest.
        """
        steps, rows = (self._at(callers, self.needs, name) for name in ("steps", "rows"))
        timed = [need for need in self.needs if need.callers in self.fitted_at]
        rest, share, computing = self._at(callers, timed, "rest_seconds"), 1.0, 0.0
        for _ in range(_NUM_ITERATIONS):
            batch = 1.0 + max(0.0, callers / self.num_engines - 1.0) * share
            computing = steps * self.step(batch, rows)
            share = computing / (computing + rest)
        return callers * self.num_tokens / (computing + rest)

    @staticmethod
    def _at(callers: float, needs: Sequence[Need], name: str) -> float:
        known = np.log([need.callers for need in needs])
        return float(np.interp(np.log(callers), known, [getattr(need, name) for need in needs]))


def limit(callers: Sequence[float], ratios: Sequence[float], least: float) -> Limit:
    """Return where the ratio to a token a step falls below `least`: straight between two numbers of callers, on
    logarithmic axes. What lies on the wrong side of it, as by chance, is as little as can be.
    """
    gains = np.log(np.asarray(ratios) / least)
    ends = range(len(gains), -1, -1)
    end = min(ends, key=lambda end: float(np.maximum(gains[end:], 0).sum() - np.minimum(gains[:end], 0).sum()))
    if end in (0, len(gains)):
        return Limit(kind="always", callers=callers[-1]) if end else Limit(kind="never", callers=callers[0])
    between = slice(end - 1, end + 1)
    return Limit(kind="stops", callers=float(np.exp(np.interp(0, -gains[between], np.log(callers[between])))))


def places(low: float, high: float) -> list[float]:
    """Return numbers from `low` to `high`, near to each other."""
    return [float(place) for place in np.geomspace(low, high, _NUM_PLACES)]
