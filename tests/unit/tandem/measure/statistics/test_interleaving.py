"""Turns are balanced: nobody is always first, and nobody always comes after the same one."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from tandem.measure.statistics.interleaving import turns

NAMES = ("a", "b", "c", "d")


def some(count: int, seed: int = 1) -> list[list[str]]:
    return list(islice(turns(NAMES, np.random.default_rng(seed)), count))


@pytest.mark.parametrize("seed", range(20))
def test_four_turns_in_a_row_are_balanced(seed: int) -> None:
    block = some(4, seed)
    for place in range(4):
        assert {turn[place] for turn in block} == set(NAMES)
    followers = Counter(pair for turn in block for pair in pairwise(turn))
    assert set(followers.values()) == {1}
    assert len(followers) == 12


def test_the_order_comes_from_the_seed() -> None:
    assert some(12, 3) == some(12, 3) != some(12, 4)
