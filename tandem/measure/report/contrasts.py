"""Contrasts of a comparison: the one that is wanted, how much better the parallel call is, what chance alone does."""

from collections.abc import Sequence

from tandem.measure.results.comparison import Comparison, Contrast
from tandem.measure.results.value import Value

UNARY = ("sequential unary", "parallel unary")


def contrast(document: Comparison, pair: tuple[str, str], concurrency: int, metric: str) -> Contrast | None:
    """Return a contrast of a document; None if it has none."""
    pairs = (entry for entry in document.contrasts if (entry.first, entry.second) == pair)
    return next((entry for entry in pairs if (entry.concurrency, entry.metric) == (concurrency, metric)), None)


def advantage(document: Comparison, concurrency: int, metric: str) -> Value | None:
    """Return how many times the unary parallel call is better than the sequential one; above 1: better."""
    found = contrast(document, UNARY, concurrency, metric)
    if found is None or found.ratio is None or metric != "images_per_second":
        return None if found is None else found.ratio
    low, high = (None if end is None else 1 / end for end in (found.ratio.high, found.ratio.low))
    return found.ratio.model_copy(update={"value": 1 / found.ratio.value, "low": low, "high": high})


def least_difference(controls: Sequence[Contrast], concurrency: int, metric: str) -> float | None:
    """Return the greatest share by which equal things differ in a metric, by the ends of the intervals of their ratios;
    None where there was no control.
    """
    ratios = [entry.ratio for entry in controls if (entry.concurrency, entry.metric) == (concurrency, metric)]
    found = [end for ratio in ratios if ratio for end in (ratio.value, ratio.low, ratio.high)]
    return max((max(end, 1 / end) - 1 for end in found if end is not None and end > 0.0), default=None)


def ratio_of(contrasts: Sequence[Contrast], concurrency: int, metric: str) -> float | None:
    """Return the first ratio of a metric that is known."""
    found = (entry.ratio for entry in contrasts if (entry.concurrency, entry.metric) == (concurrency, metric))
    return next((ratio.value for ratio in found if ratio is not None), None)
