"""What it costs to generate an image's tokens in groups, and which groups of a number of steps cost least.

A token is drawn without knowing the others of its group. That is dear for the first tokens, which decide what is drawn,
and for cells beside each other; late tokens far apart cost next to nothing. A token's loss depends on where its group
begins and on nothing else of the grouping, so the loss of any groups is a sum of measured terms, and the least one is
found exactly, by dynamic programming. Knows no weights.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.shared.models import ModelError
from tandem.shared.validation_errors import describe_errors

_MAX_CACHED = 1024


class StepCosts:
    """The losses of the tokens of one model, and the groups that follow from them."""

    def __init__(self, bits: Sequence[Sequence[float]]) -> None:
        """`bits`: row s has the losses of tokens s, s + 1, ... to the last one, in a group that begins with token s."""
        size = len(bits)
        self._costs = np.full((size, size + 1), np.inf)  # of the tokens from a start to before an end
        for start, losses in enumerate(bits):
            self._costs[start, start + 1 :] = list(itertools.accumulate(losses))
        self.group_ends = lru_cache(_MAX_CACHED)(self._group_ends)

    def bits(self, first: int, num_tokens: int, steps: int) -> float:
        """Return what the `num_tokens` tokens from `first` on cost in `group_ends`."""
        ends = (0, *self.group_ends(first, num_tokens, steps))
        return float(sum(self._costs[first + start, first + end] for start, end in itertools.pairwise(ends)))

    def _group_ends(self, first: int, num_tokens: int, steps: int) -> tuple[int, ...]:
        """Return how many of the `num_tokens` tokens from `first` on are there after each of `steps` steps.

        Each number is larger than the one before, and the loss is the lowest that `steps` (1 to num_tokens) allow.
        """
        stop = first + num_tokens
        costs = self._costs[first:stop, first : stop + 1]
        least = costs[0]  # by end, with one group
        begins = []
        for _ in range(steps - 1):
            totals = least[:-1, None] + costs  # by the start of a further group, and its end
            begins.append(totals.argmin(axis=0))
            least = totals.min(axis=0)
        ends = [num_tokens]
        for starts in reversed(begins):
            ends.append(int(starts[ends[-1]]))
        return tuple(reversed(ends))


class StepCostsFile(BaseModel):
    """A step_costs.json, written by `python -m training.set_autoregressive.step_costs`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    num_images: int = Field(gt=0)
    """Images that were measured; the training had not seen them."""
    bits: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...]
    """Mean losses in bits; row s: of tokens s, s + 1, ... to the last one, in a group that begins with token s."""


def load_step_costs(path: Path, num_tokens: int) -> StepCosts:
    """Read a step_costs.json. Raises ModelError if it is none, or not one of images of `num_tokens` tokens."""
    try:
        bits = StepCostsFile.model_validate_json(path.read_bytes()).bits
    except ValidationError as error:
        raise ModelError(f"{path}: {describe_errors(error)}") from None
    if [len(losses) for losses in bits] != list(range(num_tokens, 0, -1)):
        raise ModelError(f"{path}: bits: expected {num_tokens} rows, of {num_tokens} numbers, {num_tokens - 1}, ... 1")
    return StepCosts(bits)
