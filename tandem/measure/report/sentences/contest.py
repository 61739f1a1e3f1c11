"""Who wins, in plain words. Knows numbers and names, nothing of what they measure."""

from collections.abc import Sequence
from itertools import groupby

from tandem.measure.formats import number

_WINNERS = {True: "parallel wins", False: "sequential wins", None: "it is too close to tell"}


def between(low: float, high: float) -> str:
    """Return a range, or one number where the two look alike."""
    ends = number(low), number(high)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def contest(xs: Sequence[float], ratios: Sequence[float], where: str, resolved: float) -> str:
    """Return who wins at each of `xs` (ascending), where `ratios` are sequential / parallel, of what is better small.

    A ratio below `resolved` (above 1, either way round) names no winner. `where` puts an x into words, such as
    "{} images/s".
    """
    found = sorted(zip(xs, ratios, strict=True))
    groups = [(won, list(each)) for won, each in groupby(found, lambda pair: _winner(pair[1], resolved))]
    text = "; ".join(f"{_WINNERS[won]} {_span(each, where)}" for won, each in groups)
    if len(groups) == 1 and groups[0][0] is None:
        text += f": the two differ by less than a factor of {number(resolved)}"
    elif len(groups) == 1:
        gains = [max(ratio, 1 / ratio) for _, ratio in found]
        ends = [f"{number(gains[place])} at {where.format(number(found[place][0]))}" for place in (0, -1)]
        text += f", by a factor of {between(min(gains), max(gains))}{f' ({ends[0]}, {ends[1]})' if gains[1:] else ''}"
    return f"{text[0].upper()}{text[1:]}."


def _winner(ratio: float, resolved: float) -> bool | None:
    """Return whether the parallel one wins; None: nobody can tell."""
    return None if max(ratio, 1 / ratio) < resolved else ratio > 1.0


def _span(pairs: Sequence[tuple[float, float]], where: str) -> str:
    first, last = (where.format(number(pairs[place][0])) for place in (0, -1))
    return f"at {first}" if len(pairs) == 1 else f"at the {len(pairs)} loads measured from {first} to {last}"
