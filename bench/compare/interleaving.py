"""In which order things take turns, so that whatever changes on a machine while it measures hurts all alike."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def turns(things: Sequence[T], random: np.random.Generator) -> Iterator[list[T]]:
    """Yield one random order of all things after another, for ever.

    As many orders in a row as there are things (an even number) make up a Williams square: in it each thing has each
    place once, and comes right after each other thing once.
    """
    count = len(things)
    while True:
        names = random.permutation(count)
        for shift in random.permutation(count):
            yield [things[names[(place + shift) % count]] for place in _zigzag(count)]


def _zigzag(count: int) -> list[int]:
    """Return 0, 1, count - 1, 2, count - 2, ...: the steps between neighbours are all different."""
    return [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]
