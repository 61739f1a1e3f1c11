"""Prompts out of rows of random tokens or words; see `RequestSpec.prompt`."""

import itertools
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def beginning(pool: Sequence[T], row: int, count: int) -> list[T]:
    """Return the first `count` of a row, which is a piece of the pool, again and again where that is too short."""
    begin = row * 2654435761 % len(pool)
    found = list(pool[begin : begin + count])
    return found if len(found) == count else list(itertools.islice(itertools.cycle(pool), begin, begin + count))
