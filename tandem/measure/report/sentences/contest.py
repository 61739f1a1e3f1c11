"""Who wins, in plain words. Knows numbers and names, nothing of what they measure."""

from collections.abc import Sequence

import numpy as np

from tandem.measure.formats import number

WINNERS = {True: "Parallel", False: "Sequential"}


def between(low: float, high: float) -> str:
    """Return a range, or one number where the two look alike."""
    ends = number(low), number(high)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def contest(xs: Sequence[float], ratios: Sequence[float], where: str) -> str:
    """Return who wins over `xs` (ascending), where `ratios` are sequential / parallel, of what is better small.

    `where` puts an x into words, such as "{} images/s".
    """
    if all(number(max(ratio, 1 / ratio)) == "1" for ratio in ratios):
        return f"Neither wins: {_span(xs, where)} they differ by less than 1 %."
    is_parallel = [ratio > 1.0 for ratio in ratios]
    if all(is_parallel) or not any(is_parallel):
        return _always(is_parallel[0], xs, ratios, where)
    changes = [
        f"{WINNERS[is_parallel[place + 1]].lower()} from about {where.format(number(_crossing(xs, ratios, place)))} on"
        for place in range(len(xs) - 1)
        if is_parallel[place] != is_parallel[place + 1]
    ]
    return f"It depends: {WINNERS[is_parallel[0]].lower()} wins at {where.format(number(xs[0]))}, {', '.join(changes)}."


def _always(is_parallel: bool, xs: Sequence[float], ratios: Sequence[float], where: str) -> str:
    gains = [ratio if is_parallel else 1 / ratio for ratio in ratios]
    if len(xs) == 1:
        return f"{WINNERS[is_parallel]} wins {_span(xs, where)}, by a factor of {number(gains[0])}."
    ends = [f"{number(gains[place])} at {where.format(number(xs[place]))}" for place in (0, -1)]
    gain = f"a factor of {between(min(gains), max(gains))} ({ends[0]}, {ends[1]})"
    return f"{WINNERS[is_parallel]} wins {_span(xs, where)}, by {gain}."


def _span(xs: Sequence[float], where: str) -> str:
    first, last = where.format(number(xs[0])), where.format(number(xs[-1]))
    return f"at {first}" if len(xs) == 1 else f"everywhere from {first} to {last}"


def _crossing(xs: Sequence[float], ratios: Sequence[float], place: int) -> float:
    """Return the x between two neighbours where the ratio is 1, on a double logarithmic line."""
    x, y = np.log(xs[place : place + 2]), np.log(ratios[place : place + 2])
    return float(np.exp(x[0] - y[0] * (x[1] - x[0]) / (y[1] - y[0])))
