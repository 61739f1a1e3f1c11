"""What a mode saw, round by round, as arrays; and the figures that can be made of any choice of rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.comparison import Metric
from tandem.measure.results.record import Outcome, Table
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, Rows, estimate
from tandem.measure.statistics.quantiles import can_show, nearest_rank
from tandem.measure.studies.comparison.trials import Trial

Values = NDArray[np.float64]


def good_rows(requests: Table) -> Table:
    """Return the requests that ended well."""
    rows: Table = requests[requests["outcome"] == Outcome.OK]
    return rows


def durations(rows: Table, end: str) -> Values:
    """Return how long each took until `end`, a column of the record."""
    return np.asarray(rows[end] - rows["intended"])


@dataclass(frozen=True)
class Figure:
    """A figure of a choice of rounds, and its values in single ones, where these can be told."""

    of: Callable[[Rows], float]
    count: int  # of rounds
    spread: tuple[float, ...]

    def value(self, confidence: float) -> Value:
        """Return that of all rounds, with its interval if there are enough, or else the range of single ones."""
        return estimate(self.of, self.count, confidence, MIN_ROUNDS, self.spread)


def pooled_quantile(rounds: Sequence[Values], q: float) -> Figure | None:
    """Return a quantile of all values of the rounds; None if there are too few to show it."""
    if not can_show(q, sum(map(len, rounds))):
        return None

    def of(rows: Rows) -> float:
        return nearest_rank(np.concatenate([rounds[row] for row in rows.tolist()]), q)

    is_told = all(can_show(q, len(values)) for values in rounds)
    return Figure(of, len(rounds), tuple(nearest_rank(values, q) for values in rounds) if is_told else ())


def ratio_of_sums(over: Sequence[float], under: Sequence[float]) -> Figure:
    """Return how many `over` there are for each of `under`, such as images for each second."""
    first, second = np.array(over, np.float64), np.array(under, np.float64)

    def of(rows: Rows) -> float:
        return float(first[rows].sum() / second[rows].sum())

    return Figure(of, len(first), tuple((first / second).tolist()))


class TrialSample:
    """The trials of one mode at one concurrency, in the order of their rounds."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = trials
        self._rows = [good_rows(trial.record.requests) for trial in trials]
        self.num_images = [len(each) for each in self._rows]

    def quantile(self, end: str, q: float) -> Figure | None:
        """Return a quantile of how long images took until `end`, a column of the record; None if too few were drawn."""
        return pooled_quantile([durations(each, end) for each in self._rows], q)

    def figure(self, metric: Metric) -> Figure | None:
        """Return the figure that tandem.measure.results.comparison calls so; None if it can't be told."""
        if metric == "images_per_second":
            return ratio_of_sums(self.num_images, [trial.spent.seconds for trial in self._trials])
        if metric == "cpu_seconds_per_image":
            return self.per_image("gateway_cpu_seconds", "backend_cpu_seconds")
        end = "ended" if metric.startswith("latency") else "first_output"
        return self.quantile(end, 0.99 if "p99" in metric else 0.5)

    def per_image(self, *names: str) -> Figure | None:
        """Return what was spent an image, of these fields of trials.Spent together; None: not known."""
        rounds = [[getattr(trial.spent, name) for name in names] for trial in self._trials]
        if any(value is None for values in rounds for value in values):
            return None
        return ratio_of_sums([sum(values) for values in rounds], self.num_images)
