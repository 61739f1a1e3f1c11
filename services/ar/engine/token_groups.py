"""Several tokens a step: which tokens of an image are generated together, when `steps` steps generate them all.

The rows of a step are the tokens of the last group, whose keys and values are kept, and a MASK row for each token of
the next group, at its place. A MASK row's logits give the token of its place; the next step overwrites its keys and
values. Attention is causal as ever, so a MASK row sees the tokens of all earlier groups and the MASK rows before it.
The order of the tokens and the groups are fixed, so the product of the tokens' probabilities is the exact likelihood
of what so many steps draw. After SAR (Liu et al. 2024, arXiv 2410.10511) and Set Block Decoding (Gat et al. 2025, arXiv
2509.04185).
"""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Self


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


@dataclass(frozen=True)
class TokenGroups:
    """The groups of one sequence. `ends`: its length with the prompt alone, then after each step; rising."""

    ends: tuple[int, ...]

    @classmethod
    def of(cls, num_prompt_tokens: int, ends: Iterable[int]) -> Self:
        """Return the groups of the tokens behind a prompt; `ends` are the numbers of these tokens after each step."""
        return cls((num_prompt_tokens, *(num_prompt_tokens + end for end in ends)))

    @property
    def num_given_tokens(self) -> int:
        """Tokens whose keys and values are wanted: all but those of the last group."""
        return self.ends[-2]

    def known_and_masked(self, num_computed_tokens: int) -> tuple[int, int]:
        """Return where the group ends that is computed next, and where the one ends whose MASK rows go along."""
        place = bisect_right(self.ends, num_computed_tokens)
        return self.ends[place], self.ends[place + 1]
