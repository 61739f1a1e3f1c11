"""Things that take turns in an order that changes, so that whatever changes on a machine meanwhile hurts all alike."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def turns(things: Sequence[T], random: np.random.Generator) -> Iterator[list[T]]:
    """Yield one random order of all things after another, for ever; as many in a row as there are things make up a
    Williams square: of an even number of things each has each place once, and comes right after each other one once.
    """
    count = len(things)
    # 0, 1, count - 1, 2, count - 2, ...: the steps between neighbours are all different.
    zigzag = [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]
    while True:
        names, shifts = random.permutation(count).tolist(), random.permutation(count).tolist()
        for shift in shifts:
            yield [things[names[(place + shift) % count]] for place in zigzag]
