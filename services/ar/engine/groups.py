"""Which tokens of a sequence are generated together, and where in the text each of them stands."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self, TypeVar

T = TypeVar("T")


@cache
def group_ends(num_tokens: int, steps: int) -> tuple[int, ...]:
    """Return how many of `num_tokens` are there after each of `steps` steps, 1 to num_tokens: rising, at least by 1.

    The arccos schedule of Besnier et al. 2025 (arXiv 2503.17076): few tokens at the beginning, many at the end. Serves
    the training, and models whose costs have not been measured (see codecs/step_costs.py).
    """
    ends = [0]
    for step in range(1, steps + 1):
        share = 1 - math.acos(step / steps) / (math.pi / 2)
        ends.append(min(max(round(num_tokens * share), ends[-1] + 1), num_tokens - (steps - step)))
    return tuple(ends[1:])


def equal_ends(num_tokens: int, tokens_per_step: int) -> tuple[int, ...]:
    """Return how many of `num_tokens` are there after each step, all but the last of `tokens_per_step`."""
    return (*range(tokens_per_step, num_tokens, tokens_per_step), num_tokens)


@cache
def spread_order(num_tokens: int, window: int) -> tuple[int, ...]:
    """Return places 0 to `num_tokens` - 1 of a window, in an order in which neighbours lie far apart in the text.

    The numbers of the window's places with their bits mirrored: 0, 1/2, 1/4, 3/4, 1/8, ... of it.
    """
    num_bits = (window - 1).bit_length()
    mirrored = (int(f"{number:0{num_bits}b}"[::-1], 2) if num_bits else 0 for number in range(1 << num_bits))
    return tuple(place for place in mirrored if place < num_tokens)


@dataclass(frozen=True)
class TokenGroups:
    """The groups of one sequence. `ends`: its length with the prompt alone, then after each step; rising.

    `places`, in a model with an order of its own: where in the output the tokens of the groups stand, and before them
    those of the prompt that stand in the output as well, in the order in which the sequence has them. Empty: each
    token stands behind the one before.
    """

    ends: tuple[int, ...]
    places: tuple[int, ...] = ()

    @classmethod
    def of(cls, num_prompt_tokens: int, ends: Iterable[int], places: tuple[int, ...] = ()) -> Self:
        """Return the groups of the tokens behind a prompt; `ends` are the numbers of these tokens after each step."""
        return cls((num_prompt_tokens, *(num_prompt_tokens + end for end in ends)), places)

    @property
    def num_prompt_tokens(self) -> int:
        """Tokens that no step generates."""
        return self.ends[0]

    @property
    def num_given_tokens(self) -> int:
        """Tokens whose keys and values are wanted: all but those of the last group."""
        return self.ends[-2]

    @property
    def new_places(self) -> tuple[int, ...]:
        """The places in the output of the tokens that are generated, in their order."""
        return self.places[len(self.places) - (self.ends[-1] - self.ends[0]) :] if self.places else ()

    def known_and_masked(self, num_computed_tokens: int) -> tuple[int, int]:
        """Return where the group ends that is computed next, and where the one ends whose MASK rows go along."""
        place = bisect_right(self.ends, num_computed_tokens)
        return self.ends[place], self.ends[place + 1]

    def text_positions(self, positions: range) -> Sequence[int]:
        """Return where in the text, prompt and output, the tokens at these positions of the sequence stand."""
        if not self.places:
            return positions
        first = self.ends[-1] - len(self.places)
        return [place if place < first else first + self.places[place - first] for place in positions]

    def arranged(self, tokens: Sequence[T]) -> list[T]:
        """Return tokens of the output, which stand in the order of the text, in that of the sequence."""
        return [tokens[place] for place in self.new_places] if self.places else list(tokens)

    def restored(self, tokens: Sequence[T]) -> list[T]:
        """Return tokens of the output, which stand in the order of the sequence, in that of the text."""
        if not self.places:
            return list(tokens)
        return [token for _, token in sorted(zip(self.new_places, tokens, strict=True), key=lambda pair: pair[0])]
