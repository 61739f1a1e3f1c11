"""Cases that have every pair of values of every two parameters at least once: most faults need no more than two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Any

Pair = tuple[tuple[str, int], tuple[str, int]]
NUM_TRIES = 20


def pairwise(values: Mapping[str, Sequence[Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Return cases, each a value for every parameter; the same for the same seed.

    Greedy: of some random cases that have one open pair, the one that closes most pairs is next.
    """
    random, cases = Random(seed), list[dict[str, Any]]()
    pairs = {
        ((one, i), (other, j))
        for one, other in combinations(values, 2)
        for i in range(len(values[one]))
        for j in range(len(values[other]))
    }
    open_pairs = dict.fromkeys(sorted(pairs))  # in an order of its own: sets have one for each process
    while open_pairs:
        pair = next(iter(open_pairs))
        tries = [_case_with(pair, values, random) for _ in range(NUM_TRIES)]
        best = max(tries, key=lambda case: sum(each in open_pairs for each in _pairs_of(case)))
        for each in _pairs_of(best):
            open_pairs.pop(each, None)
        cases.append({name: values[name][index] for name, index in best.items()})
    return cases


def _case_with(pair: Pair, values: Mapping[str, Sequence[Any]], random: Random) -> dict[str, int]:
    case = {name: random.randrange(len(its_values)) for name, its_values in values.items()}
    return case | dict(pair)


def _pairs_of(case: Mapping[str, int]) -> Iterator[Pair]:
    yield from combinations(case.items(), 2)
