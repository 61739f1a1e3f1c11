"""Things that take turns in an order that changes."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from tandem.measure.statistics.squares import williams_square

T = TypeVar("T")


def turns(things: Sequence[T], random: np.random.Generator) -> Iterator[list[T]]:
    """Yield one random order of all things after another, for ever; as many in a row as there are things make up a
    Williams square.
    """
    while True:
        for order in williams_square(len(things), random):
            yield [things[number] for number in order]
