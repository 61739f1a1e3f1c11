"""Two modes held against each other, in the rounds that both were in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.comparison import Contrast, Metric
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import MIN_ROUNDS, estimate
from tandem.measure.studies.comparison.sample import Figure, TrialSample
from tandem.measure.studies.comparison.trials import Trial

_METRICS: tuple[Metric, ...] = get_args(Metric)

Pairs = Sequence[tuple[str, str]]
Numbered = Sequence[tuple[int, Trial]]


def contrasts_of(
    pairs: Pairs, concurrency: int, trials: Mapping[str, Numbered], confidence: float
) -> Iterator[Contrast]:
    """Yield what the trials at one concurrency tell of these pairs of modes; trials are given by mode."""
    for pair in pairs:
        if not all(trials.get(mode) for mode in pair):
            continue
        both = set.intersection(*({number for number, _ in trials[mode]} for mode in pair))
        samples = [TrialSample([trial for number, trial in trials[mode] if number in both]) for mode in pair]
        if both:
            for metric in _METRICS:
                figures = [sample.figure(metric) for sample in samples]
                yield from _contrast(pair, concurrency, metric, figures, confidence)


def _contrast(
    pair: tuple[str, str],
    concurrency: int,
    metric: Metric,
    figures: Sequence[Figure | None],
    confidence: float,
) -> Iterator[Contrast]:
    first, second = figures
    if first is None or second is None:
        return
    rows = np.arange(first.count)
    yield Contrast(
        first=pair[0],
        second=pair[1],
        concurrency=concurrency,
        metric=metric,
        first_value=first.of(rows),
        second_value=second.of(rows),
        difference=_held(first, second, np.subtract, confidence, MIN_ROUNDS),
        ratio=ratio_of(first, second, confidence, MIN_ROUNDS),
    )


def ratio_of(first: Figure, second: Figure, confidence: float, least: int) -> Value | None:
    """Return the first figure by the second of the same rounds; None if that cannot be said, as of one that is 0."""
    singles = _singles(first, second)
    under = second.of(np.arange(second.count)) if singles is None else singles[:, 1]
    return _held(first, second, _over, confidence, least) if np.all(under > 0) else None


def _over(first: Any, second: Any) -> Any:
    return first / second if np.all(second) else np.nan


def _held(first: Figure, second: Figure, combined: Callable[[Any, Any], Any], confidence: float, least: int) -> Value:
    """Return the first figure held against the second, with its interval.

    Where each round can tell, it is held against itself, and the median is taken: what disturbed it disturbed both. The
    figures of all rounds together can have a quotient that hardly any round had, as where the machine was busy during
    some of them.
    """
    singles = _singles(first, second)
    if singles is None:
        return estimate(lambda rows: float(combined(first.of(rows), second.of(rows))), first.count, confidence, least)
    rounds = combined(singles[:, 0], singles[:, 1])
    return estimate(lambda rows: float(np.median(rounds[rows])), len(rounds), confidence, least, rounds.tolist())


def _singles(first: Figure, second: Figure) -> NDArray[np.float64] | None:
    """Return both figures of each round; None unless every round can tell."""
    singles = np.array(list(zip(first.spread, second.spread, strict=False)))
    return singles if len(singles) == first.count else None
