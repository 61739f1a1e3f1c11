"""Figures that can be made of any choice of rounds, their intervals, and two of them held against each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, Rows, estimate
from tandem.measure.statistics.quantiles import can_show, nearest_rank

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure of a choice of rounds, and its values in single ones, where every round can tell."""

    of: Callable[[Rows], float]
    count: int  # of rounds
    spread: tuple[float, ...]

    @property
    def total(self) -> float:
        """That of all rounds together."""
        return self.of(np.arange(self.count))

    def value(self, confidence: float) -> Value:
        """Return that of all rounds, with its interval if there are enough, or else the range of single ones."""
        return self._estimate(self.of, confidence, self.spread)

    def minus(self, other: "Figure", confidence: float) -> Value:
        """Return the difference to another figure of the same rounds."""
        return self._against(other, np.subtract, confidence)

    def over(self, other: "Figure", confidence: float) -> Value | None:
        """Return the ratio to another figure of the same rounds; None if that cannot be said, as of one that is 0."""
        singles = self._singles(other)
        below = other.total if singles is None else singles[:, 1]
        return self._against(other, _quotient, confidence) if np.all(below > 0) else None

    def _against(self, other: "Figure", combine: Callable[[Any, Any], Any], confidence: float) -> Value:
        """Return both figures combined, with an interval.

        Where each round can tell, it is held against itself, and the median is taken: what disturbed it disturbed both.
        The figures of all rounds together can have a quotient that hardly any round had, as where the machine was busy
        during some of them.
        """
        singles = self._singles(other)
        if singles is None:
            return self._estimate(lambda rows: float(combine(self.of(rows), other.of(rows))), confidence)
        rounds = combine(singles[:, 0], singles[:, 1])
        return self._estimate(lambda rows: float(np.median(rounds[rows])), confidence, rounds.tolist())

    def _estimate(self, of: Callable[[Rows], float], confidence: float, spread: Sequence[float] = ()) -> Value:
        return estimate(of, self.count, confidence, MIN_ROUNDS, spread)

    def _singles(self, other: "Figure") -> Values | None:
        """Return both figures of each round; None unless every round can tell."""
        singles = np.array(list(zip(self.spread, other.spread, strict=False)))
        return singles if len(singles) == self.count else None


def _quotient(first: Any, second: Any) -> Any:
    return first / second if np.all(second) else np.nan


def pooled_quantile(rounds: Sequence[Values], q: float) -> Figure | None:
    """Return a quantile of all values of the rounds; None if there are too few to show it."""
    if not can_show(q, sum(map(len, rounds))):
        return None
    is_known = all(can_show(q, len(values)) for values in rounds)
    return Figure(
        lambda rows: nearest_rank(np.concatenate([rounds[row] for row in rows.tolist()]), q),
        len(rounds),
        tuple(nearest_rank(values, q) for values in rounds) if is_known else (),
    )


def ratio_of_sums(over: Sequence[float], under: Sequence[float]) -> Figure:
    """Return how many `over` there are for each of `under`, such as images for each second."""
    first, second = np.array(over, np.float64), np.array(under, np.float64)
    singles = tuple((first / second).tolist())
    return Figure(lambda rows: float(first[rows].sum() / second[rows].sum()), len(first), singles)
