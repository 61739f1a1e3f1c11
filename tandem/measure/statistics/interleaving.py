"""Things that take turns in an order that changes, so that whatever changes on a machine meanwhile hurts all alike."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def turns(things: Sequence[T], random: np.random.Generator) -> Iterator[list[T]]:
    """Yield one random order of all things after another, for ever; as many in a row as there are things make up a
    Williams square.
    """
    while True:
        for order in williams_square(len(things), random):
            yield [things[number] for number in order]


def williams_square(count: int, random: np.random.Generator) -> list[list[int]]:
    """Return `count` orders of the numbers below `count`, in random order.

    For an even `count` each number has each place once, and comes right after each other number once.
    """
    names = random.permutation(count).tolist()
    shifts = random.permutation(count).tolist()
    return [[names[(place + shift) % count] for place in _zigzag(count)] for shift in shifts]


def _zigzag(count: int) -> list[int]:
    """Return 0, 1, count - 1, 2, count - 2, ...: the steps between neighbours are all different."""
    return [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]
